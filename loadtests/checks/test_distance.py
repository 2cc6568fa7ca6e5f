"""How far the clients are: the share of a request's time that the server knows nothing of."""

from collections.abc import Mapping, Sequence
from typing import Any

from servespec.loading import LoadTest
from servespec.target.evidence import Statistic
from servespec.target.outcomes import (
    Inconclusive,
    Invalid,
    Nonconformance,
    NotApplicable,
    Untestable,
)
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from .loaded import MODEL, needs_the_extra, rate_of, run, seconds_of
from .machine import company
from .place import is_on_this_machine

OUTSIDE = 0.5
DOUBT = 0.01
"""That the interval of a part's mean is wrong."""


@requirement("LOAD-012", kind="saturating", fixtures=[MODEL])
def test_little_of_the_time_is_spent_outside_the_server(
    target: Target, load_test: LoadTest
) -> None:
    """A client far away waits for the network, however fast the model is."""
    needs_the_extra()
    claimed = target.claim("load", "outside")
    if claimed is None and is_on_this_machine(target):
        raise NotApplicable("the server is on this machine: no client is closer")
    bound = float(OUTSIDE if claimed is None else claimed)
    rate = rate_of(target)
    with company(target) as others:
        report = run(target, load_test, rate, seconds_of(target)).report
    if report["spoilt"]:
        raise Invalid("; ".join(report["spoilt"]))
    if not (report["budget"] and report["budget"]["requests"]):
        raise Untestable(
            "neither its answers nor its statistics or metrics tell how long the server took"
        )
    with others.judging():
        _must_be_within(target, bound, report["budget"]["parts"], report["budget"]["requests"])


def _must_be_within(
    target: Target, bound: float, parts: Sequence[Mapping[str, Any]], count: int
) -> None:
    """By the intervals of the means of all parts, which may be wrong together."""
    (network,) = (part for part in parts if part["name"] == "network")
    server = [part for part in parts if part["name"] not in ("lag", "network")]
    if any(None in (part["low"], part["high"]) for part in (network, *server)):
        raise Inconclusive(f"{count} requests tell too little of their parts")
    inside = {key: sum(part[key] for part in server) for key in ("low", "mean", "high")}
    share = network["mean"] / (network["mean"] + inside["mean"])
    low = max(0.0, network["low"]) / (max(0.0, network["low"]) + inside["high"])
    high = network["high"] / (network["high"] + max(0.0, inside["low"]))
    confidence = 1 - DOUBT * (1 + len(server))
    target.measured(Statistic("outside the server", "", share, low, high, count, confidence))
    text = f"{share:.0%} of the time ({low:.0%} to {high:.0%}) is spent outside the server"
    if low > bound:
        raise Nonconformance(f"{text}, not at most {bound:.0%}")
    if high > bound:
        raise Inconclusive(f"{text}: {bound:.0%} is too close to tell")
