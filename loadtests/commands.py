"""What the commands of searches and comparisons share: their options, and gevent before all."""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

from .sending.plan import PLANES, Plan

__all__ = ["Parser", "add_plan_options", "begin_patched", "planned", "write_json"]

_DEFAULT = Plan()


class Parser(argparse.ArgumentParser):
    """Tells a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        """Say it, and end with code 2."""
        self.exit(2, f"servespec: {message}\n")


def begin_patched(module: str) -> None:
    """Begin this process anew with gevent's sockets; returns where it has them already.

    gRPC and TLS work with gevent only if the standard library was patched before they were loaded.

    Args:
        module: the name of the one that runs as `__main__`.
    """
    if find_spec("gevent") is None:
        sys.stderr.write("servespec: expected the package gevent: pip install 'servespec[load]'\n")
        raise SystemExit(2)
    from gevent.monkey import is_module_patched

    if not is_module_patched("socket"):
        command = [sys.executable, "-m", "gevent.monkey", "--module", module, *sys.argv[1:]]
        os.execv(sys.executable, command)


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
    add("--json", type=Path, metavar="FILE", help="where to write what came of it")


def planned(given: argparse.Namespace) -> Plan:
    """The plan that these options ask for."""
    return Plan.of(vars(given), timeout=given.timeout)


def write_json(values: Mapping[str, Any], path: Path) -> None:
    """Write plain values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, allow_nan=False) + "\n", encoding="utf-8")
