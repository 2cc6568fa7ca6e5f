"""One load test from its command line to its exit code; Locust runs in a child process."""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from servespec.target.environment import InstallError
from servespec.target.given import UsageError, running, source_of, writable
from servespec.target.leftovers import current_run
from servespec.target.manifest import Addresses, Manifest, ManifestError
from servespec.target.objective import ObjectiveError
from servespec.target.process import StartError, free_port
from servespec.verdicts.verdict import Verdict

from .commands import INTERRUPTED, SUITE_FAILED, USAGE
from .hosting import must_host
from .options import add_options, limits_of, objectives_of, plan_of
from .profiles import PROFILES
from .reaching import attend, must_serve, on_plane, reached
from .sending.plan import PlanError
from .sending.template import template_of
from .showing.terminal import exit_code

__all__ = ["run"]

BESIDE_SECONDS = 180.0
"""That a run may take beside its schedule and the wait for the last answer."""

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
PASSED_ON = (
    *("arrivals", "rate", "seconds", "workload", "plane", "template", "seed"),
    *("answer_seconds", "in_flight", "keep", "target"),
)


class _Parser(argparse.ArgumentParser):
    """Tells a mistake in one line, and takes no notice of what only Locust's parser knows."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)

    def add_argument(self, *names: str, **given: Any) -> argparse.Action:
        given.pop("include_in_web_ui", None)
        return super().add_argument(*names, **given)


def run(words: Sequence[str]) -> int:
    """Run what a command line asks for; returns 0 where it passes, 1 where it does not.

    2 is a mistake of the user's, told in one line; 3: the target or Locust could not be started.
    """
    try:
        given = _given(words)
        manifest = _manifest(given)
        place = Path(manifest.target.name, "load")  # beside the parts of the report
        folder = writable(Path(given.report_dir).absolute(), str(place)) / place
        with reached(manifest, folder / "target.log") as addresses:
            must_host(manifest, addresses, plan_of(given))
            return _run(given, addresses, folder)
    except (UsageError, ManifestError, PlanError, ObjectiveError) as error:
        return _failed(error, USAGE)
    except (StartError, InstallError) as error:
        return _failed(error, SUITE_FAILED)
    except KeyboardInterrupt:  # SIGTERM too, once there is something to leave behind
        return INTERRUPTED


def _failed(error: Exception, code: int) -> int:
    sys.stderr.write(f"servespec: load: {error}\n")
    return code


def _given(words: Sequence[str]) -> argparse.Namespace:
    """What was asked for, what the profile says below it; all of it can be done."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    add_options(parser)
    for option in ("--target-url", "--target-grpc", "--profile"):
        parser.add_argument(option)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--report-dir", default="reports")
    name = parser.parse_args(words).profile
    if name is not None and name not in PROFILES:
        raise UsageError(f"--profile {name}: expected one of {', '.join(PROFILES)}")
    parser.set_defaults(**PROFILES[name].options if name else {})
    given = parser.parse_args(words)
    if given.processes < 1:
        raise UsageError(f"--processes: expected a number from 1, found {given.processes}")
    plan = plan_of(given)
    plan.must_be_shared(given.processes)
    plan.offsets()
    template_of(plan)
    if plan.together and given.processes > 1:
        raise UsageError(f"--processes: expected 1 for {plan.arrivals}, which is one loop")
    objectives_of(given)
    limits_of(given)
    return given


def _manifest(given: argparse.Namespace) -> Manifest:
    if not (given.target or given.target_url or given.target_grpc):
        raise UsageError("expected --target FILE, --target-url URL or --target-grpc HOST:PORT")
    source = source_of(given)
    manifest = running(source, given) if given.target else source
    must_serve(manifest, given.plane)
    return manifest


def _run(given: argparse.Namespace, addresses: Addresses, folder: Path) -> int:
    report = folder / "load.json"
    report.unlink(missing_ok=True)
    host = on_plane(addresses, given.plane)
    files = ["--load-report", str(report), "--json-file", str(folder / "locust")]  # adds .json
    patience = given.seconds + given.answer_seconds + BESIDE_SECONDS
    told = {"--rest-url": addresses.rest, "--metrics-url": addresses.metrics}
    places = [f"{option}={url}" for option, url in told.items() if url]
    code = _locust([*_words(given), "--host", host, *places, *files], folder, patience)
    if not report.exists():
        raise StartError(f"Locust ended with code {code} and left no report{_last_words(folder)}")
    verdict = Verdict(json.loads(report.read_text(encoding="utf-8"))["verdict"])
    sys.stdout.write(f"{verdict}: {report}\n")
    return exit_code(verdict)


def _words(given: argparse.Namespace) -> list[str]:
    """Locust's options; what is secret stays in the environment and in the target file."""
    words = ["--headless", "--only-summary", "--loglevel", "WARNING"]
    values = {name: getattr(given, name) for name in PASSED_ON}
    known = {name: value for name, value in values.items() if value not in (None, "")}
    words += [f"--{name.replace('_', '-')}={value}" for name, value in known.items()]
    words += [f"--slo={text}" for text in given.slo or []]
    words += [f"--budget={text}" for text in given.budget or []]
    return words + (_among(given.processes) if given.processes > 1 else [])


def _among(processes: int) -> list[str]:
    """Locust's options for several processes that nobody else can reach or get in the way of."""
    port = str(free_port())
    return [
        *("--processes", str(processes), "--master-bind-host", "127.0.0.1"),
        *("--master-bind-port", port, "--master-port", port),
    ]


def _locust(words: Sequence[str], folder: Path, patience: float) -> int:
    """Run Locust to its end; whoever ends us lets it judge what it has first."""
    current_run()  # from here on SIGTERM unwinds as Ctrl-C does, and nothing is left at the end
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), *words]
    with (
        (folder / "load.log").open("wb") as log,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, start_new_session=True
        ) as locust,
    ):
        return attend(locust, patience)


def _last_words(folder: Path) -> str:
    lines = (folder / "load.log").read_text(errors="replace").splitlines()[-5:]
    return "\n".join(["", f"{folder / 'load.log'} ends with:", *lines]) if lines else ""
