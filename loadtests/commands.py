"""What the commands of searches and comparisons share: their options, how they begin and end."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeVar

from servespec.target.environment import InstallError
from servespec.target.given import UsageError, writable
from servespec.target.leftovers import current_run
from servespec.target.manifest import Manifest, load
from servespec.target.process import StartError
from servespec.target.sections import Ports
from servespec.verdicts.verdict import Verdict

from .reaching import attend, must_serve, on_plane, reached
from .sending.plan import PLANES, Plan, PlanError

__all__ = [
    "INTERRUPTED",
    "SUITE_FAILED",
    "USAGE",
    "Parser",
    "add_plan_options",
    "begin",
    "begin_patched",
    "conclude",
    "planned",
]

USAGE, SUITE_FAILED, INTERRUPTED = 2, 3, 130
_DEFAULT = Plan()


class Parser(argparse.ArgumentParser):
    """Tells a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        """Say it, and end with code 2."""
        self.exit(USAGE, f"servespec: {message}\n")


class Found(Protocol):
    """What a command found."""

    @property
    def verdict(self) -> Verdict:
        """PASS is exit code 0."""

    def to_json(self) -> Mapping[str, Any]:
        """As plain values."""


F = TypeVar("F", bound=Found)


def begin_patched(module: str) -> None:
    """Begin this process anew with gevent's sockets; returns where it has them already.

    gRPC and TLS work with gevent only if the standard library was patched before they were loaded.

    Args:
        module: the name of the one that runs as `__main__`.
    """
    if not _is_patched():
        os.execv(sys.executable, _patched(module, sys.argv[1:]))


def begin(
    module: str,
    given: argparse.Namespace,
    servers: Sequence[str],
    main: Callable[[argparse.Namespace], int],
) -> int:
    """Start the servers that are to be started, run a command with gevent's sockets, stop them.

    It runs in a process of its own: servers are started and watched by one that is not patched.

    Args:
        module: the name of the one that runs as `__main__`.
        given: what was asked for.
        servers: the options that name a server, such as `old`.
        main: the command itself, and its exit code.

    Returns:
        Its exit code; 2 for what cannot be done, 3 where a server does not start.
    """
    if _is_patched():
        return main(given)
    try:
        with _started(given, servers) as words:
            command = _patched(module, [*sys.argv[1:], *words])
            with subprocess.Popen(command, start_new_session=True) as child:
                code = attend(child)
    except (UsageError, ValueError) as error:
        return _failed(error, USAGE)
    except (StartError, InstallError) as error:
        return _failed(error, SUITE_FAILED)
    except KeyboardInterrupt:  # SIGTERM too
        return INTERRUPTED
    return code if code >= 0 else INTERRUPTED


def _failed(error: Exception, code: int) -> int:
    sys.stderr.write(f"servespec: {error}\n")
    return code


def _is_patched() -> bool:
    if find_spec("gevent") is None:
        sys.stderr.write("servespec: expected the package gevent: pip install 'servespec[load]'\n")
        raise SystemExit(USAGE)
    from gevent.monkey import is_module_patched

    return bool(is_module_patched("socket"))


def _patched(module: str, words: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "gevent.monkey", "--module", module, *words]


@contextmanager
def _started(given: argparse.Namespace, servers: Sequence[str]) -> Iterator[list[str]]:
    """The words that say where each server is that was started for the block."""
    current_run()  # from here on SIGTERM unwinds as Ctrl-C does, and nothing is left at the end
    files = {name: Path(text) for name in servers if (text := getattr(given, name)) is not None}
    found = {name: load(file) for name, file in files.items() if file.suffix == ".toml"}
    to_start = {name: manifest for name, manifest in found.items() if manifest.start is not None}
    for manifest in found.values():
        must_serve(manifest, given.plane)
    with ExitStack() as opened:
        words = []
        for name, manifest in to_start.items():
            which = f"-{name}" if len(to_start) > 1 else ""
            folder = writable(given.report_dir.absolute(), manifest.target.name)
            log = folder / manifest.target.name / f"target{which}.log"
            addresses = opened.enter_context(reached(_beside(manifest, len(to_start)), log))
            address = on_plane(addresses, given.plane)
            words.append(f"--{name.replace('_', '-')}={files[name]}@{address}")
        yield words


def _beside(manifest: Manifest, servers: int) -> Manifest:
    """The same for one of several servers at once: on ports of its own, if the file lets it."""
    if servers == 1 or manifest.pinned:
        return manifest
    return replace(manifest, ports=Ports())


def conclude(
    given: argparse.Namespace,
    measured: Callable[[argparse.Namespace], F | None],
    rendered: Callable[[F], str],
) -> int:
    """Measure, tell, and write it as JSON where that was asked for.

    Args:
        given: what was asked for, with `json` among it.
        measured: does it; None where there is nothing to tell, and a ValueError says what of it
            cannot be done.
        rendered: the text.

    Returns:
        0 for PASS and where there is nothing to tell, 1 for any other verdict, 2 for what cannot be
        done.
    """
    try:
        report = measured(given)
    except ValueError as error:
        return _failed(error, USAGE)
    if report is None:
        return 0
    sys.stdout.write(rendered(report))
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(report.to_json(), allow_nan=False)
        given.json.write_text(f"{text}\n", encoding="utf-8")
    return 0 if report.verdict is Verdict.PASS else 1


def add_plan_options(parser: argparse.ArgumentParser, rate: float, seconds: float) -> None:
    """Add what a plan is made of; `rate` and `seconds` are the defaults."""
    add = parser.add_argument
    add("--rate", type=float, default=rate, metavar="R", help="requests a second")
    add("--seconds", type=float, default=seconds, metavar="S", help="of each run")
    add("--arrivals", default=_DEFAULT.arrivals, metavar="NAME[:PARAMETER]", help="how they come")
    add("--workload", default=_DEFAULT.workload, metavar="NAME", help="what is asked")
    add("--plane", default=_DEFAULT.plane, choices=PLANES, help="what is spoken")
    add("--template", default=_DEFAULT.template, metavar="FILE", help="how to ask over json")
    add("--seed", type=int, default=_DEFAULT.seed, metavar="N", help="of the arrivals")
    add("--timeout", type=float, default=_DEFAULT.timeout, metavar="S",
        help="after which a request counts as lost")  # fmt: skip
    add("--in-flight", type=int, default=_DEFAULT.in_flight, metavar="N",
        help="the most under way; one more is shed")  # fmt: skip
    parser.set_defaults(keep=_DEFAULT.keep)
    add("--json", type=Path, metavar="FILE", help="where to write what came of it")
    add("--report-dir", type=Path, default=Path("reports"), metavar="DIR",
        help="where the log of a server that is started goes (reports/)")  # fmt: skip


def planned(given: argparse.Namespace) -> Plan:
    """The plan that these options ask for.

    Raises:
        PlanError: it is a closed loop, which tells nothing of a rate that is offered.
    """
    plan = Plan.of(vars(given), timeout=given.timeout)
    if plan.together:
        raise PlanError(f"arrivals: expected an open loop, found {plan.arrivals}")
    return plan
