"""The master: one schedule for all workers, and one table of what became of it."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from ..judging.counters import Counted
from ..judging.gates import Run, within_reach
from ..sending.pacer import CLOCK
from ..sending.plan import Plan
from ..sending.records import Records
from ..sending.tally import Tally
from .worker import LEAD_SECONDS, Assignment

__all__ = ["Channel", "Master"]

_READY_SECONDS = 60.0
"""In which workers have encoded their requests and measured themselves."""
_LATE_SECONDS = 5.0
"""In which the last report of a worker comes, when all its time is over."""


class Channel(Protocol):
    """How the master reaches its workers."""

    def workers(self) -> list[str]:
        """The names of those that are there."""

    def send(self, kind: str, data: Mapping[str, Any], worker: str) -> None:
        """Send a message to one of them."""


class Master:
    """Hands out a run, and collects it.

    Attributes:
        records: of all requests, in the order of the schedule; of none where there is a tally.
        tally: of all, in a run of too many to keep each one; None in all others.
        problems: what went wrong with the workers, a sentence each.
        under_way: how many requests are now, by worker.
        calibrations: what each worker said of itself.
        cpu_seconds: what the workers took.
        timings: what some answers told of themselves, by the request's number.
        area: of the requests under way over time, as the workers counted them.
        counted: what the server told of its counters so far; None where it was not asked.
        asked: how many requests there were to send, as those workers say that are done.
    """

    def __init__(self, plan: Plan, address: str, channel: Channel) -> None:
        self.plan = plan
        offsets = plan.offsets()
        tallied = plan.tallies(len(offsets))
        self.records = Records.planned(offsets[:0] if tallied else offsets)
        self.tally = Tally.planned(offsets, plan.seconds) if tallied else None
        self.problems: list[str] = []
        self.under_way: dict[int, int] = {}
        self.calibrations: list[Mapping[str, Any]] = []
        self.cpu_seconds = 0.0
        self.area = 0.0
        self.asked = 0
        self.counted: Counted | None = None
        self.timings: dict[int, str] = {}
        self._address = address
        self._channel = channel
        self._workers: list[str] = []
        self._ready: set[int] = set()
        self._done: set[int] = set()
        self._begun = CLOCK()
        self._gone = False
        self._failed = False
        self._last = float(offsets[-1])
        self._fingerprint = plan.fingerprint(offsets)

    def begin(self) -> None:
        """Tell every worker its share.

        Raises:
            PlanError: they are too few.
        """
        self._workers = self._channel.workers()
        self.plan.must_be_shared(len(self._workers))
        for index, worker in enumerate(self._workers):
            assignment = Assignment(self.plan, self._address, index, len(self._workers))
            self._channel.send("assign", assignment.to_dict(), worker)

    def ready(self, data: Mapping[str, Any]) -> None:
        """Hear that a worker can begin; when all can, they do, if together they are enough."""
        self._ready.add(data["index"])
        self.calibrations.append(data["calibration"])
        if self._are_ready and not self._is_refused:
            self._begun, self._gone = CLOCK(), True
            for worker in self._workers:
                self._channel.send("go", {}, worker)

    def rows(self, data: Mapping[str, Any]) -> None:
        """Take what became of some requests."""
        numbers = np.frombuffer(data["numbers"], np.int64)
        self.records.unpack(numbers, data)
        self.under_way[data["index"]] = data["under_way"]
        self.timings.update(data["timings"])

    def counts(self, data: Mapping[str, Any]) -> None:
        """Take what became of some requests, as histograms."""
        assert self.tally is not None
        self.tally.merge_plain(data["tally"])
        self.under_way[data["index"]] = data["under_way"]

    def done(self, data: Mapping[str, Any]) -> None:
        """Hear that a worker has nothing more to tell."""
        self._done.add(data["index"])
        self.under_way[data["index"]] = 0
        self.cpu_seconds += data["cpu_seconds"]
        self.area += data["area"]
        self.asked += data["asked"]

    def failed(self, data: Mapping[str, Any]) -> None:
        """Hear that a worker could not go on."""
        self.problems.append(f"worker {data['index']} failed: {data['why']}")
        self._failed = True

    def run(self) -> Run:
        """What was collected."""
        return Run(
            plan=self.plan,
            records=self.records.first_rows(self.asked) if self._is_shorter else self.records,
            problems=self.problems,
            area=self.area,
            calibrations=self.calibrations,
            cpu_seconds=self.cpu_seconds,
            timings=self.timings,
            counted=None if self.tally else self.counted,
            tally=self.tally,
            fingerprint=self._fingerprint,
        )

    @property
    def _is_shorter(self) -> bool:
        """Whether a closed loop was done before it had asked all that it might have."""
        return bool(self.plan.together and self._done and self.asked < len(self.records))

    @property
    def _is_refused(self) -> bool:
        """Whether more is asked of the workers than they can send; they wait then for nothing."""
        return self._are_ready and not self._gone and bool(within_reach(self.run()))

    @property
    def _are_ready(self) -> bool:
        return len(self._ready) == len(self._workers)

    @property
    def elapsed(self) -> float:
        """Seconds since the schedule began; negative before it."""
        return CLOCK() - self._begun - LEAD_SECONDS if self._gone else -LEAD_SECONDS

    def is_over(self) -> bool:
        """Whether all was told, or is not to be expected any more."""
        if len(self._done) == len(self._workers) or self._is_refused or self._failed:
            return True
        lost = [name for name in self._workers if name not in self._channel.workers()]
        if lost:
            self.problems.append(f"worker {', '.join(lost)} was lost before its last report")
            return True
        limit = _READY_SECONDS
        if self._gone:
            limit = LEAD_SECONDS + self._last + self.plan.timeout + _LATE_SECONDS
        if CLOCK() - self._begun <= limit:
            return False
        missing = sorted({*range(len(self._workers))} - (self._done if self._gone else self._ready))
        what = "its last report" if self._gone else "the beginning"
        self.problems.append(
            f"worker {', '.join(map(str, missing))} was not heard of before {what}"
        )
        return True
