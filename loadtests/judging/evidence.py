"""What is known of a run: of each of its requests, or by histograms; the same questions to both."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from servespec.stats.effective import BATCHES
from servespec.stats.histogram import Histogram

from ..sending.plan import Plan
from ..sending.records import Fate, Records
from ..sending.tally import Tally, passed
from .times import Times, binned, exact

__all__ = ["Evidence", "Stretch", "of_queries", "of_rows", "of_tally"]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the schedule; what was asked in it.

    Attributes:
        offered: requests that the schedule wanted.
        dispatched: requests that were begun.
        under_way: how many were, on average.
        response: times of the offered that are settled.
        lag: the generator's lateness at those that were dispatched.
    """

    offered: int
    dispatched: int
    under_way: float
    response: Times
    lag: Times


class Evidence(Protocol):
    """What is known of a run."""

    @property
    def requests(self) -> int:
        """In the schedule."""

    @property
    def width(self) -> int:
        """Seconds of a stretch."""

    def counts(self) -> Mapping[Fate, int]:
        """How many had each fate."""

    def in_time(self) -> int:
        """How many were dispatched by the end of the schedule."""

    def stays(self) -> float:
        """The seconds that requests were under way, all together."""

    def response(self) -> Times:
        """Of all, from the intended moment; infinite for what has no answer, or none yet."""

    def service(self) -> Times:
        """The same from the dispatch on: without the lateness of the generator."""

    def settled(self) -> Times:
        """Response times of those that were asked, and have their fate."""

    def lag(self) -> Times:
        """The generator's lateness at each that was dispatched."""

    def lasted(self) -> float:
        """Seconds of the schedule; until the last answer where all were asked at once."""

    def answers(self) -> np.ndarray:
        """Right answers a second, for each whole stretch of that time."""

    def stretches(self) -> Sequence[Stretch]:
        """The schedule, part by part."""


def of_queries(plan: Plan, taken: np.ndarray) -> np.ndarray:
    """The times of queries from those of their requests; in an open loop each is its own query."""
    if not plan.together:
        return taken
    whole = len(taken) - len(taken) % plan.together
    return np.asarray(taken[:whole].reshape(-1, plan.together).max(axis=1))


def of_rows(plan: Plan, records: Records) -> Evidence:
    """What is known of each request."""
    return _Rows(plan, records)


def of_tally(tally: Tally) -> Evidence:
    """What histograms over time tell."""
    return _Slices(tally)


class _Rows:
    width = 1

    def __init__(self, plan: Plan, records: Records) -> None:
        self._plan = plan
        self._records = records

    @property
    def requests(self) -> int:
        return len(self._records)

    def counts(self) -> Mapping[Fate, int]:
        return self._records.counts()

    def in_time(self) -> int:
        records = self._records
        end = max(float(records.intended[-1]), self._plan.seconds)
        begun = records.fate != Fate.UNASKED
        return int(np.count_nonzero(begun & (records.dispatched <= end)))

    def stays(self) -> float:
        return float(np.nansum(self._records.done - self._records.dispatched))

    def response(self) -> Times:
        return exact(of_queries(self._plan, self._records.response_seconds()))

    def service(self) -> Times:
        return exact(of_queries(self._plan, self._records.service_seconds()))

    def settled(self) -> Times:
        return exact(self._records.response_seconds()[self._records.settled()])

    def lag(self) -> Times:
        return exact(self._records.lag_seconds())

    def answers(self) -> np.ndarray:
        ended, lasted = self._ended(), self.lasted()
        if self._plan.at_once:
            return np.histogram(ended, bins=BATCHES, range=(0, lasted))[0] * BATCHES / lasted
        whole = max(1, int(lasted))
        return np.histogram(ended, bins=whole, range=(0, whole))[0].astype(float)

    def lasted(self) -> float:
        ended = self._ended()
        return float(ended.max()) if self._plan.at_once and len(ended) else self._plan.seconds

    def _ended(self) -> np.ndarray:
        return np.asarray(self._records.done[self._records.fate == Fate.ANSWERED])

    def stretches(self) -> Sequence[Stretch]:
        """Records are in the order of the schedule, so each second has a slice of them."""
        records, settled = self._records, self._records.settled()
        seconds = np.arange(math.ceil(self._plan.seconds) + 1)
        ends = np.searchsorted(records.intended, seconds)
        ends[-1] = len(records)
        begun = records.dispatched[~np.isnan(records.dispatched)]
        sent, _ = np.histogram(begun, seconds)
        under_way = np.diff(passed(records.dispatched, seconds) - passed(records.done, seconds))
        taken, late = records.response_seconds(), records.dispatched - records.intended
        found = []
        for second, due in enumerate(map(slice, ends[:-1], ends[1:])):
            known, lag = settled[due], late[due]
            numbers = (int(due.stop - due.start), int(sent[second]), float(under_way[second]))
            lag = lag[known & ~np.isnan(lag)]
            found.append(Stretch(*numbers, exact(taken[due][known]), exact(lag)))
        return found


class _Slices:
    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._slices = [tally.slices[number] for number in range(len(tally.offered))]

    @property
    def requests(self) -> int:
        return int(self._tally.offered.sum())

    @property
    def width(self) -> int:
        return self._tally.width

    def counts(self) -> Mapping[Fate, int]:
        found = {fate: sum(each.fates[fate] for each in self._slices) for fate in Fate}
        found[Fate.PENDING] = self.requests - sum(found.values())
        return found

    def in_time(self) -> int:
        return self._tally.in_time

    def stays(self) -> float:
        return self._tally.stays

    def response(self) -> Times:
        return self._all([each.response for each in self._slices])

    def service(self) -> Times:
        return self._all([each.service for each in self._slices])

    def _all(self, known: Sequence[Histogram]) -> Times:
        """With those that have no fate, or were not asked."""
        parts = []
        for offered, histogram in zip(self._tally.offered.tolist(), known, strict=True):
            part = Histogram()
            part.merge(histogram)
            part.infinite += max(0, offered - len(part))
            parts.append(part)
        return binned(parts)

    def settled(self) -> Times:
        return binned([each.response for each in self._slices], self._tally.response)

    def lag(self) -> Times:
        return binned([each.lag for each in self._slices])

    def answers(self) -> np.ndarray:
        whole = max(1, int(self._tally.end // self.width))
        return np.array([each.answered for each in self._slices[:whole]]) / self.width

    def lasted(self) -> float:
        return self._tally.end

    def stretches(self) -> Sequence[Stretch]:
        return [
            Stretch(
                offered=offered,
                dispatched=each.dispatched,
                under_way=each.under_way / self.width,
                response=binned([each.response]),
                lag=binned([each.lag]),
            )
            for offered, each in zip(self._tally.offered.tolist(), self._slices, strict=True)
        ]
