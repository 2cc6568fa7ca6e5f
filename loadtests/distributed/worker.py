"""One worker: sends its share of the schedule, and tells the master what became of it."""

import dataclasses
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import gevent
import numpy as np
from gevent.event import Event

from ..calibration.measuring import Calibration, calibrate
from ..sending.access import Access
from ..sending.closed_loop import generator_of
from ..sending.pacer import CLOCK
from ..sending.plan import Plan, shares
from ..sending.planes import Endpoint, senders
from ..sending.records import Fate, Records
from ..sending.tally import Tally
from ..sending.template import template_of
from ..sending.workloads import Question, workload_of

__all__ = ["Assignment", "Worker"]

REPORT_SECONDS = 0.5
LEAD_SECONDS = 0.3
"""From the word go to the first moment, so that nobody is late for it."""

Tell = Callable[[str, dict[str, Any]], None]
Settled = Callable[[Question, Records, int], None]


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the master asks of a worker.

    Attributes:
        plan: the whole.
        address: where it goes.
        index: of the worker, from 0.
        workers: how many there are.
    """

    plan: Plan
    address: str
    index: int
    workers: int

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values, to be sent."""
        return dataclasses.asdict(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Assignment":
        """What was sent so."""
        return cls(**{**values, "plan": Plan(**values["plan"])})


class Worker:
    """Prepares when it is told to, waits for the word go, and drives.

    Args:
        tell: sends a message to the master.
        settled: hears of each request that has its fate.
        access: reads how this process may reach the target.
    """

    def __init__(self, tell: Tell, settled: Settled, access: Callable[[], Access]) -> None:
        self._tell = tell
        self._access = access
        self._settled = settled
        self._assigned = Event()
        self._go = Event()
        self._assignment: Assignment | None = None

    def assign(self, assignment: Assignment) -> None:
        """Take what is to be done; `drive` begins with it."""
        self._assignment = assignment
        self._go.clear()
        self._assigned.set()

    def go(self) -> None:
        """Begin to send."""
        self._go.set()

    def drive(self) -> None:
        """Do what was assigned, from the encoding of the requests to the last answer."""
        self._assigned.wait()
        self._assigned.clear()
        assert self._assignment is not None
        try:
            self._drive(self._assignment)
        except Exception as error:  # of whatever kind: the run is worth nothing without this worker
            why = f"{type(error).__name__}: {error}"
            self._tell("failed", {"index": self._assignment.index, "why": why})

    def _drive(self, assignment: Assignment) -> None:
        with ExitStack() as opened:
            plan = assignment.plan
            endpoint = Endpoint(plan.plane, assignment.address, self._access(), template_of(plan))
            share = _Share(assignment, endpoint, opened, self._tell, self._settled)
            calibration = share.calibrated().to_dict()
            self._tell("ready", {"index": assignment.index, "calibration": calibration})
            self._go.wait()
            share.drive()


class _Share:
    """A worker's requests on their way."""

    def __init__(
        self,
        assignment: Assignment,
        endpoint: Endpoint,
        opened: ExitStack,
        tell: Tell,
        settled: Settled,
    ) -> None:
        plan = assignment.plan
        offsets = plan.offsets()
        workload = workload_of(plan.workload, plan.seed)
        choice = workload.choice(len(offsets), plan.seed).tolist()
        numbers = shares(offsets, assignment.index, assignment.workers)
        sender = senders(endpoint, workload.questions, choice, plan.timeout, opened)
        self._index = assignment.index
        self._endpoint = endpoint
        self._plan = plan
        self._tell = tell
        self._fresh: list[int] = []
        self._questions = workload.questions
        self._choice = choice
        self._numbers = numbers
        self._tally = Tally.planned(offsets, plan.seconds) if plan.tallies(len(offsets)) else None
        self._heard = settled
        self._generator = generator_of(plan, numbers, offsets[numbers], sender, self._settled)

    def calibrated(self) -> Calibration:
        """What this worker takes at its share of the rate."""
        offsets = self._generator.records.intended
        rate = len(offsets) / self._plan.seconds
        return calibrate(self._plan, self._endpoint, self._questions, rate)

    def drive(self) -> None:
        """Send everything, and tell of it."""
        begun = CLOCK() + LEAD_SECONDS
        cpu = time.process_time()
        with Repeating(REPORT_SECONDS, self._report):
            try:
                self._generator.run(begun, self._plan.timeout)
            finally:
                records = self._generator.records
                left = np.flatnonzero(records.fate == Fate.UNASKED)  # of which nobody has heard
                self._fresh += left.tolist()
                self._report()
                cpu = time.process_time() - cpu
                told = {"cpu_seconds": cpu, "area": self._generator.area}
                self._tell("done", {"index": self._index, "asked": self._generator.asked, **told})

    def _settled(self, row: int) -> None:
        self._fresh.append(row)
        question = self._questions[self._choice[self._numbers[row]]]
        self._heard(question, self._generator.records, row)

    def _report(self) -> None:
        rows, self._fresh = np.array(self._fresh, np.int64), []
        timings, self._generator.timings = self._generator.timings, {}
        if self._tally is not None:
            self._tell("counts", self._counted(self._tally.fresh(), rows))
            return
        numbers = self._numbers[rows].astype(np.int64)
        packed = self._generator.records.pack(rows)
        self._tell(
            "rows",
            {
                "index": self._index,
                "numbers": numbers.tobytes(),
                "under_way": self._generator.under_way,
                "timings": timings,
                **packed,
            },
        )

    def _counted(self, tally: Tally, rows: np.ndarray) -> dict[str, Any]:
        tally.add(self._generator.records, rows)
        under_way = self._generator.under_way
        return {"index": self._index, "under_way": under_way, "tally": tally.to_dict()}


class Repeating:
    """Calls something again and again while a block runs."""

    def __init__(self, seconds: float, call: Callable[[], None]) -> None:
        self._seconds = seconds
        self._call = call
        self._greenlet: gevent.Greenlet[..., None] | None = None

    def __enter__(self) -> None:
        self._greenlet = gevent.spawn(self._repeat)

    def __exit__(self, *_: object) -> None:
        assert self._greenlet is not None
        self._greenlet.kill()

    def _repeat(self) -> None:
        while True:
            gevent.sleep(self._seconds)
            self._call()
