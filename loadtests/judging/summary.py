"""What a run's records come to, as plain values: for pages, reports and tables."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from servespec.stats.effective import effective_over
from servespec.stats.percentiles import interval, percentile

from ..sending.records import Fate, Records

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
    """A second of the schedule; what was asked in it.

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
        achieved: right answers a second.
        lines: the percentiles.
        lags: the generator's lateness at the same percentiles, seconds.
        moments: second by second.
        curve: (percent, seconds) from the median up, evenly over the logarithm of 1 / (1 - p).
        heat: how many answers took how long, by second and then by time, in steps that grow.
        heat_bounds: the ends of these steps, seconds.
    """

    requests: int
    fates: dict[str, int]
    offered: float
    achieved: float
    lines: tuple[Line, ...]
    lags: tuple[float, ...]
    moments: tuple[Moment, ...]
    curve: tuple[tuple[float, float], ...]
    heat: tuple[tuple[int, ...], ...]
    heat_bounds: tuple[float, ...]


def summarize(records: Records, seconds: float) -> Summary:
    """Summarize a run, or as much of one as is known.

    Args:
        records: those that have no fate yet are left out.
        seconds: that the schedule takes.
    """
    counts = records.counts()
    settled = records.settled()
    taken, lag = records.response_seconds()[settled], records.lag_seconds()
    bounds = np.geomspace(_SMALLEST, _LARGEST, HEAT_ROWS + 1)
    return Summary(
        requests=len(records),
        fates={fate.name.lower(): count for fate, count in counts.items() if count},
        offered=len(records) / seconds,
        achieved=counts[Fate.ANSWERED] / seconds,
        lines=tuple(_line(taken, percent) for percent in PERCENTS) if len(taken) else (),
        lags=tuple(percentile(lag, percent) for percent in PERCENTS) if len(lag) else (),
        moments=_moments(records, settled, math.ceil(seconds)),
        curve=_curve(taken),
        heat=_heat(records, bounds, math.ceil(seconds)),
        heat_bounds=tuple(bounds.tolist()),
    )


def _line(taken: np.ndarray, percent: float) -> Line:
    value = percentile(taken, percent)
    worth = effective_over(taken, value)
    within = interval(taken, percent, effective=worth)
    finite = taken[np.isfinite(taken)]
    answered = percentile(finite, percent) if len(finite) else math.inf
    return Line(percent, value, max(0.0, within.low), within.high, answered)


def _curve(taken: np.ndarray) -> tuple[tuple[float, float], ...]:
    if not len(taken):
        return ()
    ascending = np.sort(taken)
    shares = 1 - np.geomspace(0.5, 1 / len(taken), CURVE)
    places = np.minimum(len(taken) - 1, np.ceil(shares * len(taken)).astype(int))
    return tuple(zip((100 * shares).tolist(), ascending[places].tolist(), strict=True))


def _moments(records: Records, settled: np.ndarray, count: int) -> tuple[Moment, ...]:
    """Second by second; records are in the order of the schedule, so each has a slice of them."""
    seconds = np.arange(count + 1)
    ends = np.searchsorted(records.intended, seconds)
    ends[-1] = len(records)
    sent, _ = np.histogram(records.dispatched[~np.isnan(records.dispatched)], seconds)
    under_way = np.diff(_passed(records.dispatched, seconds) - _passed(records.done, seconds))
    taken, late = records.response_seconds(), records.dispatched - records.intended
    moments = []
    for second, due in enumerate(map(slice, ends[:-1], ends[1:])):
        numbers = (due.stop - due.start, sent[second], under_way[second])
        known = settled[due]
        moments.append(_moment(taken[due][known], late[due][known], *numbers))
    return tuple(moments)


def _passed(begun: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """The seconds since all of `begun` together, at each moment; NaN has not begun."""
    ascending = np.sort(begun[~np.isnan(begun)])
    sums = np.concatenate(([0.0], ascending.cumsum()))
    count = np.searchsorted(ascending, moments)
    return np.asarray(count * moments - sums[count])


def _moment(
    taken: np.ndarray, late: np.ndarray, offered: int, dispatched: int, under_way: float
) -> Moment:
    return Moment(
        offered=int(offered),
        dispatched=int(dispatched),
        answered=int(np.count_nonzero(np.isfinite(taken))),
        under_way=max(0.0, float(under_way)),
        median=_percentile(taken, 50),
        tail=_percentile(taken, 99),
        lag=_percentile(late[~np.isnan(late)], 99),
    )


def _percentile(values: np.ndarray, percent: float) -> float:
    return percentile(values, percent) if len(values) else math.nan


def _heat(records: Records, bounds: np.ndarray, count: int) -> tuple[tuple[int, ...], ...]:
    taken = records.response_seconds()
    answered = np.isfinite(taken)
    second = records.intended[answered]
    clipped = np.clip(taken[answered], bounds[0], np.nextafter(bounds[-1], 0))
    edges: Sequence[np.ndarray] = (np.arange(count + 1), bounds)
    counts, _, _ = np.histogram2d(np.minimum(second, count - 1e-9), clipped, bins=edges)
    return tuple(tuple(map(int, row)) for row in counts)
