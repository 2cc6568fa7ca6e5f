"""The command line: one verb a suite. What judges runs in a child process, as plain pytest.

Nothing heavy is imported before it is needed: `servespec --help` answers at once.
"""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

__all__ = ["main"]

Verb = Callable[[argparse.Namespace], int]
Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
USAGE, SUITE_FAILED, PYTEST_USAGE = 2, 3, 4
SIGNALLED = 128
"""A shell's exit code for what a signal ended: this and its number."""


class CommandError(Exception):
    """What was asked for cannot be done: one line, exit code 2."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one verb; returns 0, 1 (not conformant), 2 (usage) or 3 (the suite failed)."""
    arguments = _parser().parse_args(argv)
    verb: Verb = arguments.verb
    try:
        code = verb(arguments)
        sys.stdout.flush()
    except CommandError as error:
        print(f"servespec: {error}", file=sys.stderr)
        return USAGE
    except BrokenPipeError:  # the reader has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SIGNALLED + signal.SIGPIPE
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("servespec", description="Certifies model servers.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    _verbs_that_judge(verbs)
    _verbs_that_prepare(verbs)
    _verbs_that_tell(verbs)
    return parser


def _verbs_that_judge(verbs: Verbs) -> None:
    conformance = _verb(verbs, "conformance", _conformance, "judge a server: protocol and HTTP")
    _judging_options(conformance)

    certify = _verb(verbs, "certify", _certify, "start what a target file names, judge it, stop it")
    _judging_options(certify)
    certify.add_argument("--only", choices=["conformance", "loadtests"], help="run this suite only")

    text = "load a server in an open loop, and judge its tail (needs the extra load)"
    load = _verb(verbs, "load", _load, text)
    _load_options(load)

    text = "find the load that one replica serves within its objectives (needs the extra load)"
    words = "--target-url URL --slo OBJECTIVE ..."
    _passed_on(verbs, "capacity", "loadtests.comparing.knee", text, words)
    text = "compare a server with what it was, in turn (needs the extra load)"
    words = "--old URL --new URL ..."
    _passed_on(verbs, "regression", "loadtests.comparing.regression", text, words)
    text = "write the alert rule of Prometheus for a model that an update made slower"
    _passed_on(verbs, "alert", "loadtests.comparing.alert", text, "--target FILE")


def _passed_on(verbs: Verbs, name: str, module: str, text: str, rest: str) -> None:
    """A verb whose options are the module's own."""
    # With that prefix none of them is taken for one of ours.
    verb = _verb(verbs, name, _pass_on, text, prefix_chars="\0", add_help=False)
    verb.set_defaults(module=f"servespec.suites.{module}")
    verb.add_argument("rest", nargs=argparse.REMAINDER, metavar=rest)


def _load_options(parser: argparse.ArgumentParser) -> None:
    """What they may be is known where they are read: the suite may be missing here."""
    _address_options(parser)
    parser.add_argument("--profile", metavar="NAME", help="a load test by name; what follows wins")
    parser.add_argument(
        "--slo", action="append", default=[], metavar="OBJECTIVE",
        help="such as 'p99 < 100ms'; those of the target file when absent",
    )  # fmt: skip
    parser.add_argument(
        "--budget", action="append", default=[], metavar="LIMIT",
        help="what a part may take, such as 'inference p99 < 20ms'",
    )  # fmt: skip
    parser.add_argument("--arrivals", metavar="NAME[:PARAMETER]", help="how requests come")
    parser.add_argument("--rate", metavar="R", help="requests a second")
    parser.add_argument("--seconds", metavar="S", help="for how long")
    parser.add_argument("--workload", metavar="NAME", help="what is asked")
    parser.add_argument("--plane", metavar="NAME", help="what is spoken: rest, binary, grpc, json")
    parser.add_argument("--template", metavar="FILE", help="how to ask over json")
    parser.add_argument("--seed", metavar="N", help="of the arrivals, and of what each asks")
    parser.add_argument("--answer-seconds", metavar="S", help="after which a request is lost")
    parser.add_argument("--in-flight", metavar="N", help="the most under way in one process")
    parser.add_argument("--processes", metavar="N", help="that send the load together")
    parser.add_argument("--report-dir", metavar="DIR", help="where reports go (reports/)")


def _verbs_that_prepare(verbs: Verbs) -> None:
    init = _verb(verbs, "init", _init, "probe a running server and write a target file")
    init.add_argument("url", metavar="URL", help="REST address, such as http://127.0.0.1:8080")
    init.add_argument("--grpc", metavar="HOST:PORT", help="gRPC address")
    init.add_argument(
        "--model", action="append", default=[], metavar="NAME", help="a model to look at"
    )
    init.add_argument(
        "--output", type=Path, default=Path("target.toml"), metavar="FILE", help="what to write"
    )

    text = "run the reference server (needs the extra cpu or gpu)"
    _passed_on(verbs, "serve", "reference_server", text, "--models DIR ...")

    fixtures = _verb(verbs, "fixtures", _fixtures, "write the models that a target must host")
    fixtures.add_argument("directory", type=Path, metavar="DIR", help="where; new or empty")


def _verbs_that_tell(verbs: Verbs) -> None:
    requirements = _verb(verbs, "requirements", _requirements, "list what can be asked of a server")
    requirements.add_argument("--profile", metavar="NAME", help="only this profile")

    explain = _verb(verbs, "explain", _explain, "one requirement: sentence, source, check")
    explain.add_argument("requirement", metavar="ID", help="an id or a slug")

    checklist = _verb(verbs, "checklist", _checklist, "the guide's checklist for a judged target")
    checklist.add_argument("--target", type=Path, required=True, metavar="FILE", help="target file")
    checklist.add_argument(
        "--report-dir", type=Path, default=Path("reports"), metavar="DIR", help="where reports are"
    )


def _verb(
    verbs: Verbs,
    name: str,
    run: Verb,
    help: str,
    **more: Any,
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=help, description=help, **more)
    parser.set_defaults(verb=run)
    return parser


def _judging_options(parser: argparse.ArgumentParser) -> None:
    _address_options(parser)
    parser.add_argument("--profile", action="append", metavar="NAME", help="only this profile")
    parser.add_argument("--intrusive", action="store_true", help="also what may harm a bare URL")
    parser.add_argument("--baseline", metavar="FILE", help="known failures")
    parser.add_argument("--report-dir", metavar="DIR", help="where reports go (reports/)")


def _address_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--target", metavar="FILE", help="target file (TOML)")
    parser.add_argument("--target-url", metavar="URL", help="REST address of a running server")
    parser.add_argument("--target-grpc", metavar="HOST:PORT", help="its gRPC address")


def _conformance(given: argparse.Namespace) -> int:
    if not (given.target or given.target_url or given.target_grpc):
        raise CommandError("expected --target FILE, --target-url URL or --target-grpc HOST:PORT")
    return _judged(_pytest("conformance", given))


def _certify(given: argparse.Namespace) -> int:
    if not given.target:
        raise CommandError("certify: expected --target FILE; `servespec init URL` writes one")
    codes = []
    for suite in [given.only] if given.only else _suites(given):
        codes.append(_judged(_pytest(suite, given)))
        if codes[-1] == USAGE or codes[-1] >= SIGNALLED:
            break
    return max(codes)


def _suites(given: argparse.Namespace) -> list[str]:
    """Those that have something to judge: in the profiles that are named, else in all."""
    from servespec.target.manifest import ManifestError, load
    from servespec.verdicts.profile import CONFORMANCE, PROFILES

    try:
        claimed = load(Path(given.target)).claims
    except ManifestError:
        return [CONFORMANCE]  # which says what is wrong with the file
    core = (name for name in PROFILES if PROFILES[name].core)
    named = [name for part in given.profile or [] for name in part.split(",")] or [*core, *claimed]
    found = (PROFILES[name].suite for name in named if name in PROFILES)
    return list(dict.fromkeys(found)) or [CONFORMANCE]


def _load(given: argparse.Namespace) -> int:
    command = [sys.executable, "-m", "servespec.suites.loadtests"]
    for name, value in vars(given).items():
        if name != "verb" and value is not None:
            values = value if isinstance(value, list) else [value]
            command += [f"--{name.replace('_', '-')}={each}" for each in values]
    return _in_child(command)


def _judged(command: Sequence[str]) -> int:
    """Runs pytest; its own exit codes become ours, those of the verdicts stay."""
    code = _in_child(command)
    if code == PYTEST_USAGE:
        return USAGE
    return SUITE_FAILED if SUITE_FAILED < code < SIGNALLED else code


def _pytest(suite: str, given: argparse.Namespace) -> list[str]:
    """The command for a suite: a closed list of plugins, no file of the user's configures it."""
    command = [sys.executable, "-m", "pytest", "--pyargs", f"servespec.suites.{suite}"]
    command += ["-p", "servespec.plugin", "-p", "no:cacheprovider", "--import-mode=importlib"]
    command += ["-c", os.devnull, f"--rootdir={Path.cwd()}"]
    command += ["--quiet", "--no-header", "--tb=no", "-rN", "--disable-warnings"]
    options = ("target", "target_url", "target_grpc", "baseline", "report_dir")
    for option in options:
        if value := getattr(given, option):
            command += [f"--{option.replace('_', '-')}", value]
    for name in given.profile or []:
        command += ["--profile", name]
    return command + (["--intrusive"] if given.intrusive else [])


def _in_child(command: Sequence[str]) -> int:
    """Runs `command` and returns its exit code; it gets what ends us and cleans up after itself."""
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    told: list[int] = []

    def pass_on(number: int, _: object) -> None:
        told.append(number)
        if number != signal.SIGINT:  # a terminal sends Ctrl-C to both of us
            child.send_signal(signal.SIGTERM)

    with subprocess.Popen(command, env=environment) as child:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, pass_on)
        code = child.wait()
    if told and code:
        return SIGNALLED + told[0]
    return code if code >= 0 else SUITE_FAILED


def _init(given: argparse.Namespace) -> int:
    from servespec.target.discovery import InitError, init

    try:
        init(given.url, given.grpc, given.model, given.output)
    except InitError as error:
        raise CommandError(error) from error
    print(f"wrote {given.output}; judge with: servespec certify --target {given.output}")
    return 0


def _pass_on(given: argparse.Namespace) -> int:
    return _in_child([sys.executable, "-m", given.module, *given.rest])


def _fixtures(given: argparse.Namespace) -> int:
    from servespec.fixtures import FixtureError, build

    try:
        build(given.directory)
    except FixtureError as error:
        raise CommandError(error) from error
    return 0


def _requirements(given: argparse.Namespace) -> int:
    from servespec.verdicts.catalogue import CATALOGUE
    from servespec.verdicts.profile import PROFILES

    if given.profile and given.profile not in PROFILES:
        raise CommandError(f"--profile {given.profile}: expected one of {', '.join(PROFILES)}")
    for row in CATALOGUE.values():
        if given.profile in (None, row.profile):
            print(f"{row.id:20} {row.level:6} {row.basis:9} {row.profile:12} {row.text}")
    return 0


def _explain(given: argparse.Namespace) -> int:
    from servespec.verdicts.catalogue import UnknownRequirement
    from servespec.verdicts.explain import explain

    try:
        print(explain(given.requirement))
    except UnknownRequirement as error:
        raise CommandError(error) from error
    return 0


def _checklist(given: argparse.Namespace) -> int:
    from servespec.target.manifest import ManifestError, load
    from servespec.verdicts.store import read
    from servespec.verdicts.summary import checklist_table

    try:
        path = given.report_dir / load(given.target).target.name / "report.json"
        if not path.exists():
            raise CommandError(
                f"{path}: no report yet; `servespec certify --target {given.target}` writes it"
            )
        print(checklist_table(read(path)))
    except (ManifestError, ValueError) as error:
        raise CommandError(error) from error
    return 0
