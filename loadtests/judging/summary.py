"""What a run's records come to, as plain values: for pages, reports and tables."""

import math
from dataclasses import dataclass

import numpy as np

from ..sending.records import Fate
from .evidence import Evidence, Stretch
from .times import Times

__all__ = ["Line", "Moment", "Summary", "summarize"]

PERCENTS = (50.0, 90.0, 95.0, 99.0, 99.9)
CURVE = 120  # points of the percentile curve
HEAT_ROWS = 48  # of the heat map
_SMALLEST, _LARGEST = 1e-4, 60.0  # seconds, the ends of the heat map


@dataclass(frozen=True, slots=True)
class Line:
    """A percentile; seconds, infinite where too few were answered.

    Attributes:
        percent: such as 99.
        seconds: of all requests, those unanswered as infinitely late.
        low: where the true one begins, with 95 % confidence, neighbours in time being alike.
        high: where it ends; infinite where the requests are too few to tell.
        answered: the same of those alone that were answered.
    """

    percent: float
    seconds: float
    low: float
    high: float
    answered: float


@dataclass(frozen=True, slots=True)
class Moment:
    """A second of the schedule, or `Summary.width` of them; what was asked in it.

    Attributes:
        offered: requests that the schedule wanted.
        dispatched: requests that were begun.
        answered: of the offered, those with an answer.
        under_way: how many were, on average.
        median: of the response times, seconds; infinite where half are unanswered.
        tail: their p99.
        lag: the generator's lateness at the p99.
    """

    offered: int
    dispatched: int
    answered: int
    under_way: float
    median: float
    tail: float
    lag: float


@dataclass(frozen=True, slots=True)
class Summary:
    """A run in numbers.

    Attributes:
        requests: in the schedule.
        fates: how many had which fate, by its name in small letters; those that none had are left.
        offered: requests a second that the schedule wanted.
        achieved: right answers a second; until the last one where all were asked at once.
        lines: the percentiles.
        lags: the generator's lateness at the same percentiles, seconds.
        width: seconds of a moment.
        moments: second by second.
        curve: (percent, seconds) from the median up, evenly over the logarithm of 1 / (1 - p).
        heat: how many answers took how long, by moment and then by time, in steps that grow.
        heat_bounds: the ends of these steps, seconds.
    """

    requests: int
    fates: dict[str, int]
    offered: float
    achieved: float
    lines: tuple[Line, ...]
    lags: tuple[float, ...]
    width: int
    moments: tuple[Moment, ...]
    curve: tuple[tuple[float, float], ...]
    heat: tuple[tuple[int, ...], ...]
    heat_bounds: tuple[float, ...]


def summarize(evidence: Evidence, seconds: float) -> Summary:
    """Summarize a run, or as much of one as is known.

    Args:
        evidence: requests that have no fate yet are left out.
        seconds: that the schedule takes.
    """
    counts, taken, lag = evidence.counts(), evidence.settled(), evidence.lag()
    bounds = np.geomspace(_SMALLEST, _LARGEST, HEAT_ROWS + 1)
    stretches = evidence.stretches()
    return Summary(
        requests=evidence.requests,
        fates={fate.name.lower(): count for fate, count in counts.items() if count},
        offered=evidence.requests / seconds,
        achieved=counts[Fate.ANSWERED] / evidence.lasted(),
        lines=_lines(taken) if len(taken) else (),
        lags=tuple(lag.percentile(percent) for percent in PERCENTS) if len(lag) else (),
        width=evidence.width,
        moments=tuple(map(_moment, stretches)),
        curve=_curve(taken),
        heat=tuple(tuple(each.response.spread(bounds)) for each in stretches),
        heat_bounds=tuple(bounds.tolist()),
    )


def _lines(taken: Times) -> tuple[Line, ...]:
    answered = taken.finite()
    return tuple(_line(taken, answered, percent) for percent in PERCENTS)


def _line(taken: Times, answered: Times, percent: float) -> Line:
    value = taken.percentile(percent)
    within = taken.within(percent, 0.95, taken.worth_over(value))
    alone = answered.percentile(percent) if len(answered) else math.inf
    return Line(percent, value, max(0.0, within.low), within.high, alone)


def _curve(taken: Times) -> tuple[tuple[float, float], ...]:
    if not len(taken):
        return ()
    shares = 1 - np.geomspace(0.5, 1 / len(taken), CURVE)
    places = np.minimum(len(taken) - 1, np.ceil(shares * len(taken)).astype(int))
    return tuple(zip((100 * shares).tolist(), taken.ascending(places).tolist(), strict=True))


def _moment(stretch: Stretch) -> Moment:
    return Moment(
        offered=stretch.offered,
        dispatched=stretch.dispatched,
        answered=len(stretch.response.finite()),
        under_way=max(0.0, stretch.under_way),
        median=_percentile(stretch.response, 50),
        tail=_percentile(stretch.response, 99),
        lag=_percentile(stretch.lag, 99),
    )


def _percentile(times: Times, percent: float) -> float:
    return times.percentile(percent) if len(times) else math.nan
