"""Times of requests, kept one by one or as histograms: the same questions to both."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from servespec.stats.effective import (
    effective_over,
    effective_over_time,
    effective_size,
    effective_size_over_time,
)
from servespec.stats.histogram import Histogram
from servespec.stats.percentiles import Interval, interval_ranks, rank

__all__ = ["Mean", "Times", "binned", "exact"]

FEWEST_PARTS = 10  # that tell how times cluster


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean; `deviation` is that of the times, `worth` how many independent ones they are."""

    value: float
    deviation: float
    worth: float


class Times(ABC):
    """In seconds, infinite for what was not answered."""

    @abstractmethod
    def __len__(self) -> int:
        """How many there are."""

    @abstractmethod
    def ascending(self, places: np.ndarray) -> np.ndarray:
        """Those at these places, from 0, of all in ascending order."""

    @abstractmethod
    def over(self, bound: float) -> tuple[int, int]:
        """How many are at or over a bound: certainly, and at most."""

    @abstractmethod
    def worth_over(self, bound: float) -> float:
        """How many independent ones they are worth for the share over a bound."""

    @abstractmethod
    def worth_infinite(self) -> float:
        """The same for the share of those that were not answered."""

    @abstractmethod
    def mean(self) -> Mean:
        """Infinite where one of them is."""

    @abstractmethod
    def histogram(self) -> Histogram:
        """All of them as one."""

    @abstractmethod
    def finite(self) -> "Times":
        """Those alone that were answered, in any order."""

    def percentile(self, percent: float) -> float:
        """The one of the nearest rank; there has to be one."""
        return float(self.ascending(np.array([rank(percent, len(self)) - 1]))[0])

    def within(self, percent: float, confidence: float, worth: float) -> Interval:
        """Where the true percentile lies, if they are worth so many independent ones.

        The one that was seen is within: of a few that is not so by itself.
        """
        low, high = interval_ranks(len(self), percent, confidence, worth)
        seen = rank(percent, len(self))
        places = np.array([min(low or seen, seen) - 1, max(high, seen) - 1])
        found = self.ascending(places).tolist()
        return Interval(found[0] if low else -math.inf, found[1] if high else math.inf)

    def spread(self, bounds: np.ndarray) -> list[int]:
        """How many answered ones lie between each two bounds, those beyond in the outermost."""
        values, counts = self.histogram().columns()
        known = np.isfinite(values)
        clipped = np.clip(values[known], bounds[0], np.nextafter(bounds[-1], 0))
        found, _ = np.histogram(clipped, bounds, weights=counts[known])
        return [int(count) for count in found]


def exact(seconds: np.ndarray) -> Times:
    """Kept one by one, in the order of the schedule."""
    return _Exact(seconds)


def binned(parts: Sequence[Histogram], whole: Histogram | None = None) -> Times:
    """Kept as a histogram of each part of the schedule, in the order of time.

    `whole` is all of them together, where that is known.

    Percentiles and bounds are known to 0.4 %. Of fewer than ten parts nobody can tell how the times
    in them cluster: they are worth one.
    """
    return _Binned(parts, whole)


class _Exact(Times):
    def __init__(self, seconds: np.ndarray) -> None:
        self._seconds = seconds

    @cached_property
    def _sorted(self) -> np.ndarray:
        return np.sort(self._seconds)

    def __len__(self) -> int:
        return len(self._seconds)

    def ascending(self, places: np.ndarray) -> np.ndarray:
        return np.asarray(self._sorted[places])

    def over(self, bound: float) -> tuple[int, int]:
        count = int(np.count_nonzero(self._seconds >= bound))
        return count, count

    def worth_over(self, bound: float) -> float:
        return effective_over(self._seconds, bound)

    def worth_infinite(self) -> float:
        return effective_size(~np.isfinite(self._seconds))

    def mean(self) -> Mean:
        value = float(self._seconds.mean())
        if len(self) < 2 or not math.isfinite(value):
            return Mean(value, math.inf, float(len(self)))
        worth = effective_size(self._seconds)
        return Mean(value, float(self._seconds.std(ddof=1)), worth)

    def histogram(self) -> Histogram:
        found = Histogram()
        found.record_many(self._seconds)
        return found

    def finite(self) -> Times:
        return _Exact(self._seconds[np.isfinite(self._seconds)])

    def spread(self, bounds: np.ndarray) -> list[int]:
        answered = self._seconds[np.isfinite(self._seconds)]
        clipped = np.clip(answered, bounds[0], np.nextafter(bounds[-1], 0))
        return [int(count) for count in np.histogram(clipped, bounds)[0]]


class _Binned(Times):
    def __init__(self, parts: Sequence[Histogram], whole: Histogram | None = None) -> None:
        self._parts = parts
        self._known = whole

    @cached_property
    def _whole(self) -> Histogram:
        if self._known is not None:
            return self._known
        found = Histogram()
        for part in self._parts:
            found.merge(part)
        return found

    def __len__(self) -> int:
        return len(self._whole)

    def ascending(self, places: np.ndarray) -> np.ndarray:
        values, counts = self._whole.columns()
        return np.asarray(values[np.searchsorted(counts.cumsum(), places, side="right")])

    def over(self, bound: float) -> tuple[int, int]:
        return self._whole.over(bound)

    def worth_over(self, bound: float) -> float:
        if len(self._parts) < FEWEST_PARTS:
            return 1.0
        return effective_over_time(self._parts, bound)

    def worth_infinite(self) -> float:
        return self.worth_over(math.inf)

    def mean(self) -> Mean:
        value = self._whole.mean()
        if len(self) < 2 or not math.isfinite(value):
            return Mean(value, math.inf, float(len(self)))
        known = len(self._parts) >= FEWEST_PARTS
        worth = effective_size_over_time(self._parts) if known else 1.0
        values, counts = self._whole.columns()
        squares = float(counts @ np.square(values - value))
        return Mean(value, math.sqrt(squares / (len(self) - 1)), worth)

    def histogram(self) -> Histogram:
        return self._whole

    def finite(self) -> Times:
        found = Histogram()
        found.merge(self._whole)
        found.infinite = 0
        return _Binned([found])
