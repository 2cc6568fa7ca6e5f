"""What became of requests as histograms over time: for runs of more than are kept one by one."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from servespec.stats.histogram import Histogram

from .records import Fate, Records

__all__ = ["Slice", "Tally", "passed"]

MOST_SLICES = 900
"""Of a run: a quarter of an hour second by second, a longer one in equal parts. What three
histograms of each take is some 100 MB, however long the run."""
_HISTOGRAMS = ("response", "service", "lag")


@dataclass(slots=True)
class Slice:
    """A second of the schedule, or several.

    Attributes:
        fates: of the requests due in it, those that are settled.
        response: their times from the intended moment; infinite for what was not answered.
        service: the same from the dispatch on.
        lag: the generator's lateness.
        dispatched: requests that were begun in it, whenever they were due.
        answered: right answers that came in it.
        under_way: seconds of requests that lie in it.
    """

    fates: Counter[int] = field(default_factory=Counter)
    response: Histogram = field(default_factory=Histogram)
    service: Histogram = field(default_factory=Histogram)
    lag: Histogram = field(default_factory=Histogram)
    dispatched: int = 0
    answered: int = 0
    under_way: float = 0.0

    def merge(self, other: "Slice") -> None:
        """Add what another one tells of the same seconds."""
        self.fates.update(other.fates)
        for name in _HISTOGRAMS:
            getattr(self, name).merge(getattr(other, name))
        self.dispatched += other.dispatched
        self.answered += other.answered
        self.under_way += other.under_way

    def to_dict(self) -> dict[str, Any]:
        """As plain values, to be sent."""
        told = {name: getattr(self, name).to_dict() for name in _HISTOGRAMS}
        counts = (self.dispatched, self.answered, self.under_way)
        return {**told, "fates": [[*pair] for pair in self.fates.items()], "counts": counts}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        response, service, lag = (Histogram.from_dict(plain[name]) for name in _HISTOGRAMS)
        return cls(Counter(dict(plain["fates"])), response, service, lag, *plain["counts"])


class Tally:
    """A run, or what one worker has to tell of it; it adds up.

    Attributes:
        offered: requests that the schedule wants in each slice.
        width: seconds of a slice.
        end: of the schedule.
        slices: by their number.
        response: the response times of all slices together.
        in_time: requests that were dispatched by the end of the schedule.
        stays: seconds that requests were under way, all together.
    """

    def __init__(self, offered: np.ndarray, width: int, end: float) -> None:
        self.offered = offered
        self.width = width
        self.end = end
        self.slices: defaultdict[int, Slice] = defaultdict(Slice)
        self.response = Histogram()
        self.in_time = 0
        self.stays = 0.0

    @classmethod
    def planned(cls, offsets: np.ndarray, seconds: float) -> Self:
        """Of a schedule, before anything was sent."""
        width = math.ceil(seconds / MOST_SLICES)
        offered = np.bincount((offsets // width).astype(int), minlength=math.ceil(seconds / width))
        return cls(offered, width, max(float(offsets[-1]), seconds))

    def fresh(self) -> "Tally":
        """An empty one of the same schedule."""
        return Tally(self.offered, self.width, self.end)

    def add(self, records: Records, rows: np.ndarray) -> None:
        """Count requests that have their fate; each once."""
        if not len(rows):
            return
        due = self._numbers(records.intended[rows])
        taken, served = records.response_seconds()[rows], records.service_seconds()[rows]
        lag = records.dispatched[rows] - records.intended[rows]
        fates = records.fate[rows]
        asked = fates != Fate.UNASKED
        self.response.record_many(taken[asked])
        for number in np.unique(due).tolist():
            here = due == number
            each = self.slices[number]
            each.fates.update(fates[here].tolist())
            each.response.record_many(taken[here & asked])
            each.service.record_many(served[here & asked])
            each.lag.record_many(np.maximum(0.0, lag[here & ~np.isnan(lag)]))
        self._add_moments(records, rows)

    def _add_moments(self, records: Records, rows: np.ndarray) -> None:
        """What counts for the moment at which it happened, not for the one that was intended."""
        begun, done = records.dispatched[rows], records.done[rows]
        begun, done = begun[~np.isnan(begun)], done[~np.isnan(begun)]
        self.in_time += int(np.count_nonzero(begun <= self.end))
        self.stays += float(np.nansum(done - begun))
        answers = records.done[rows][records.fate[rows] == Fate.ANSWERED]
        for number, count in Counter(self._numbers(begun).tolist()).items():
            self.slices[number].dispatched += count
        for number, count in Counter((answers // self.width).astype(int).tolist()).items():
            if number < len(self.offered):  # what comes in the drain is in no slice
                self.slices[number].answered += count
        if len(begun):
            self._add_under_way(begun, done)

    def _add_under_way(self, begun: np.ndarray, done: np.ndarray) -> None:
        first = int(begun.min() // self.width)
        last = min(len(self.offered), int(done.max() // self.width) + 1)
        edges = np.arange(first, last + 1) * self.width
        present = np.diff(passed(begun, edges) - passed(done, edges))
        for number, seconds in enumerate(present.tolist(), first):
            self.slices[number].under_way += seconds

    def _numbers(self, moments: np.ndarray) -> np.ndarray:
        """The slices that moments lie in; what is later than all, in the last."""
        last = len(self.offered) - 1
        return np.asarray(np.minimum((moments // self.width).astype(int), last))

    def merge(self, other: "Tally") -> None:
        """Add what another one tells of the same schedule."""
        for number, each in other.slices.items():
            self.slices[number].merge(each)
            self.response.merge(each.response)
        self.in_time += other.in_time
        self.stays += other.stays

    def to_dict(self) -> dict[str, Any]:
        """What it counted, as plain values; the schedule is known to both."""
        slices = [[number, each.to_dict()] for number, each in self.slices.items()]
        return {"slices": slices, "in_time": self.in_time, "stays": self.stays}

    def merge_plain(self, plain: Mapping[str, Any]) -> None:
        """Add what was sent so."""
        other = self.fresh()
        other.slices.update({number: Slice.of(each) for number, each in plain["slices"]})
        other.in_time, other.stays = plain["in_time"], plain["stays"]
        self.merge(other)

    def known(self) -> int:
        """How many slices there are before the first that has requests without a fate."""
        settled = [self.slices[number].fates.total() for number in range(len(self.offered))]
        return int(np.argmax(np.append(settled < self.offered, True)))

    def first(self, count: int) -> "Tally":
        """As much of it as is due in the first slices."""
        found = Tally(self.offered[:count], self.width, float(count * self.width))
        for number in range(count):
            found.slices[number] = self.slices[number]
            found.response.merge(self.slices[number].response)
        found.in_time = sum(len(each.lag) for each in found.slices.values())
        found.stays = sum(each.under_way for each in found.slices.values())
        return found


def passed(begun: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """The seconds since all of `begun` together, at each moment; NaN has not begun."""
    ascending = np.sort(begun[~np.isnan(begun)])
    sums = np.concatenate(([0.0], ascending.cumsum()))
    count = np.searchsorted(ascending, moments)
    return np.asarray(count * moments - sums[count])
