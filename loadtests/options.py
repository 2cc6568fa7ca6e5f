"""What of a load test can be set, on the command line and in the form of Locust's page."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from servespec.target.manifest import load
from servespec.target.objective import Objective
from servespec.target.sections import Metrics

from .counting import Places
from .judging.budget import Limit
from .judging.scenario import fits, must_fit
from .sending.plan import ARRIVALS, PLANES, Plan
from .sending.workloads import WORKLOADS

__all__ = ["add_options", "limits_of", "objectives_of", "places_of", "plan_of"]

_DEFAULT = Plan()


def add_options(parser: Any) -> None:
    """Add them to Locust's parser; a master sends their values to its workers as plain ones."""
    add = parser.add_argument
    add("--arrivals", default=_DEFAULT.arrivals, metavar="NAME[:PARAMETER]",
        help=f"how requests come: {', '.join(ARRIVALS)}")  # fmt: skip
    add("--rate", type=float, default=_DEFAULT.rate, metavar="R",
        help="requests a second")  # fmt: skip
    add("--seconds", type=float, default=_DEFAULT.seconds, metavar="S",
        help="how long")  # fmt: skip
    add("--workload", default=_DEFAULT.workload, choices=list(WORKLOADS),
        help="what is asked")  # fmt: skip
    add("--plane", default=_DEFAULT.plane, choices=PLANES, help="what is spoken")
    add("--template", default=_DEFAULT.template, metavar="FILE", help="how to ask over json")
    add("--slo", action="append", default=None, metavar="OBJECTIVE",
        help="such as 'p99 < 100ms'; more after a comma, or given again")  # fmt: skip
    add("--budget", action="append", default=None, metavar="LIMIT",
        help="what a part may take, such as 'inference p99 < 20ms'")  # fmt: skip
    add("--target", default=None, metavar="FILE",
        include_in_web_ui=False,
        help="target file: headers, TLS, names of fixtures, objectives")  # fmt: skip
    add("--rest-url", default=None, metavar="URL",
        include_in_web_ui=False,
        help="where the server's statistics are, if the load goes elsewhere")  # fmt: skip
    add("--metrics-url", default=None, metavar="URL",
        include_in_web_ui=False,
        help="where its metrics are, for a budget; /metrics there when absent")  # fmt: skip
    add("--load-report", default=None, metavar="FILE",
        include_in_web_ui=False, help="where to write what came of it, as JSON")  # fmt: skip
    add("--seed", type=int, default=_DEFAULT.seed, metavar="N",
        help="of the arrivals, and of what each asks")  # fmt: skip
    add("--answer-seconds", type=float, default=_DEFAULT.timeout, metavar="S",
        help="after which a request counts as lost")  # fmt: skip
    add("--in-flight", type=int, default=_DEFAULT.in_flight, metavar="N",
        help="the most under way in one process; one more is shed")  # fmt: skip
    add("--keep", type=int, default=_DEFAULT.keep, metavar="N",
        help="of a run of more requests, histograms are kept instead of each one")  # fmt: skip


def plan_of(given: argparse.Namespace) -> Plan:
    """The plan that was asked for."""
    return Plan.of(vars(given), timeout=given.answer_seconds)


def objectives_of(given: argparse.Namespace) -> Sequence[Objective]:
    """What is asked of the run: on the command line, else in the target file.

    The file's are of open traffic: of a closed loop those are asked that it can tell.

    Raises:
        ObjectiveError: one of them is none.
        PlanError: a closed loop cannot tell it.
        ManifestError: there is a mistake in the target file.
    """
    asked, plan = _asked(given.slo), plan_of(given)
    if given.target and not asked:
        told = load(Path(given.target)).objectives.values()
        return [each for each in told if fits(plan, each)]
    objectives = [Objective.parse(text) for text in asked]
    must_fit(plan, objectives)
    return objectives


def limits_of(given: argparse.Namespace) -> Sequence[Limit]:
    """What each part of a request may take: on the command line, else in the target file.

    Raises:
        ObjectiveError: one of them is none.
        ManifestError: there is a mistake in the target file.
    """
    asked = _asked(given.budget)
    if given.target and not asked:
        told = load(Path(given.target)).budget
        return [Limit.parse(f"{part} {objective}") for part, objective in told.items()]
    return [Limit.parse(text) for text in asked]


def places_of(given: argparse.Namespace, address: str) -> Places:
    """Where the server that is loaded at an address tells what it counts.

    Raises:
        ManifestError: there is a mistake in the target file.
    """
    rest = given.rest_url or ("" if given.plane == "grpc" else address)
    metrics = given.metrics_url or (f"{rest.rstrip('/')}/metrics" if rest else "")
    names = load(Path(given.target)).metrics if given.target else Metrics()
    return Places(rest, metrics, names)


def _asked(given: Sequence[str] | str | None) -> Sequence[str]:
    """The objectives one by one: the form of Locust's page gives text, or a list of one blank."""
    texts = [given] if isinstance(given, str) else given or []
    return [part for text in texts for part in text.split(",") if part.strip()]
