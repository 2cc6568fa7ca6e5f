"""Percentiles of the exported histogram beside the times of the very requests in it."""

import math
import re
from collections.abc import Mapping, Sequence
from random import Random

from servespec.target.outcomes import Untestable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..questions import spin_of, spinning
from .exposition import Page
from .scraping import await_page, quiet, scraped, series_of

PERCENTILES = (0.50, 0.95, 0.99)
RELATIVE, ABSOLUTE = 0.15, 0.001
"""Binding: a percentile may be off by either, besides the width of its bucket."""
MIXED = (180, 0.004), (24, 0.020), (6, 0.060)
"""How many requests take how many seconds: the three percentiles lie far apart."""
_TOTAL = re.compile(r"(?:^|,)\s*total\s*;(?:[^,]*;)?\s*dur=([0-9.]+)")


@requirement("GUIDE-004", fixtures=["spin"])
def test_percentiles_of_the_histogram_are_those_of_the_requests(target: Target) -> None:
    """An operator who reads p99 from the metrics reads what the slowest percent waited."""
    name = target.metrics.request_seconds
    _must_have_a_histogram(target, name)
    unit = spin_of(target, 0.1) / 0.1
    lengths = [round(unit * seconds) for count, seconds in MIXED for _ in range(count)]
    Random(0).shuffle(lengths)
    quiet(target)
    before = scraped(target, name)
    measured = sorted(_seconds(target, max(1, iterations)) for iterations in lengths)
    after = await_page(target, lambda page: _count(target, before, page) >= len(measured), name)

    buckets = _buckets(target, after)
    old = _buckets(target, before)
    counts = {bound: value - old.get(bound, 0.0) for bound, value in buckets.items()}
    total = counts[math.inf]
    assert total == len(measured), f"{len(measured)} requests raised {name}_count by {total:g}"
    for share in PERCENTILES:
        _must_agree(target, share, measured, counts)


def _must_have_a_histogram(target: Target, name: str) -> None:
    spinning(1).ask(target).must_succeed()
    kind = scraped(target, name).types.get(name)
    if kind != "histogram":
        found = f"{name} is a {kind}" if kind else f"the metrics have no {name}"
        raise Untestable(f"no percentile can be read: {found}")


def _seconds(target: Target, iterations: int) -> float:
    """How long the server says that a request took; a client's own time is only a bound of it."""
    answer = spinning(iterations).ask(target).must_succeed()
    match = _TOTAL.search(answer.header("Server-Timing") or "")
    if match is None:
        raise Untestable("the answers have no Server-Timing with a total to compare with")
    return float(match[1]) / 1000


def _buckets(target: Target, page: Page) -> Mapping[float, float]:
    """The cumulative counts by bound."""
    name = f"{target.metrics.request_seconds}_bucket"
    found: dict[float, float] = {}
    for sample in series_of(target, page, name, "spin"):
        bound = float(sample.label("le"))
        found[bound] = found.get(bound, 0.0) + sample.value
    if math.inf not in found:
        raise Untestable(f"{name} has no series with le=+Inf for the model")
    return found


def _count(target: Target, before: Page, after: Page) -> float:
    return _buckets(target, after)[math.inf] - _buckets(target, before)[math.inf]


def _must_agree(
    target: Target, share: float, measured: Sequence[float], counts: Mapping[float, float]
) -> None:
    exact = measured[math.ceil(share * len(measured)) - 1]
    read, width = _quantile(share, counts)
    name = f"p{share * 100:g}"
    target.record(f"{name}, ms", f"{read * 1e3:.1f} in the histogram, {exact * 1e3:.1f} measured")
    bound = max(RELATIVE * exact, ABSOLUTE) + width
    assert abs(read - exact) <= bound, (
        f"{name} is {read * 1e3:.1f} ms in the histogram, its requests took {exact * 1e3:.1f} ms"
    )


def _quantile(share: float, counts: Mapping[float, float]) -> tuple[float, float]:
    """A quantile as Prometheus reads it, within a bucket by proportion; and the bucket's width."""
    rank, low, below = share * counts[math.inf], 0.0, 0.0
    for bound, value in sorted(counts.items()):
        if value >= rank and value > below:
            if bound == math.inf:
                return low, 0.0  # as far as the histogram reaches
            return low + (bound - low) * (rank - below) / (value - below), bound - low
        low, below = bound, value
    raise AssertionError("the buckets of the histogram are not cumulative")
