"""The open-loop generator: each request goes out at its moment, whatever became of others."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import gevent
import numpy as np
from gevent.event import Event
from greenlet import greenlet

from .pacer import CLOCK, Pacer
from .records import Fate, Records

__all__ = ["SAMPLED", "Answer", "Generator", "Sender"]

SAMPLED = 16
"""Of so many requests one is asked for its parts, so that asking costs the others nothing."""


class Answer(NamedTuple):
    """What came of a request; times on the monotonic clock, NaN for what did not happen.

    `timing` is the answer's Server-Timing, of some requests only.
    """

    sent: float
    first: float
    done: float
    status: int
    fate: Fate
    timing: str = ""


class Sender(Protocol):
    """Asks one request after the other, on a connection that it keeps."""

    def send(self, number: int) -> Answer:
        """Send request `number` of the schedule and wait for its answer; raises nothing."""

    def prepare(self) -> None:
        """Have a connection, so that the next request does not wait for it; raises nothing."""

    def close(self) -> None:
        """Close what it keeps."""


class Generator:
    """Sends a worker's share of a schedule.

    Greenlets that wait are resumed by the pacer's call itself: between a moment and the first
    byte lies no queue. The one that was free last goes first, so that few connections are used.
    One more than are used is kept open: what it takes to open it is in no request's time.

    Args:
        numbers: of the requests in the whole schedule.
        intended: their moments, in seconds from the start.
        sender: made for each greenlet.
        in_flight: the most under way; one more is shed.
        settled: hears of each row that has its fate.

    Attributes:
        records: of the requests, in the order of `numbers`.
        timings: what some answers told of themselves, by the request's number; who reports it
            begins a new one.
        asked: how many requests there were to send; a closed loop may need fewer than planned.
        under_way: how many are now.
        area: of their number over time, in requests times seconds: counted apart from the
            records, so that what these lack or have wrong shows.
    """

    def __init__(
        self,
        numbers: np.ndarray,
        intended: np.ndarray,
        sender: Callable[[], Sender],
        in_flight: int,
        settled: Callable[[int], None],
    ) -> None:
        self._numbers = [int(number) for number in numbers]
        self._sender = sender
        self._in_flight = in_flight
        self._settled = settled
        self._begun = 0.0
        self._idle: list[greenlet] = []
        self._preparing = False
        self._greenlets: list[gevent.Greenlet[..., None]] = []
        self._quiet = Event()
        self.records = Records.planned(intended)
        self.timings: dict[int, str] = {}
        self.asked = len(self._numbers)
        self.under_way = 0
        self.area = 0.0
        self._present = 0
        self._changed = 0.0

    def run(self, begun: float, drain: float) -> None:
        """Send everything, and wait for the last answers.

        Args:
            begun: the moment 0, on the monotonic clock.
            drain: for how many seconds after the last moment.
        """
        self._begun = begun
        self._keep_spare()
        try:
            Pacer(self.records.intended, self._dispatch).run(begun)
            self._wait(drain)
        finally:
            self._end()

    def _dispatch(self, row: int) -> None:
        """In the hub: resume a greenlet that waits, or begin one more."""
        if self.under_way == self._in_flight:
            self.records.fate[row] = Fate.SHED
            self._settled(row)
            return
        self.under_way += 1
        if self._idle:
            self._idle.pop().switch(row)
        else:
            self._begin(row)
        self._keep_spare()

    def _keep_spare(self) -> None:
        """Have a greenlet with a connection wait beside those that are busy."""
        if not (self._idle or self._preparing) and len(self._greenlets) < self._in_flight:
            self._preparing = True
            self._begin(None)

    def _begin(self, row: int | None) -> None:
        greenlet = gevent.Greenlet(self._serve, row)
        self._greenlets.append(greenlet)
        greenlet.start()

    def _serve(self, row: int | None) -> None:
        """One greenlet's life: a request, or none yet, and then whichever it is resumed for."""
        hub, sender = gevent.get_hub(), self._sender()
        try:
            if row is None:
                sender.prepare()
                self._preparing = False
                row = self._next(hub)
            while True:
                now = CLOCK()
                self.records.dispatched[row] = now - self._begun
                self._count(1, now)
                answer = sender.send(self._numbers[row])
                self._count(-1, answer.done)
                self._settle(row, answer)
                if answer.fate is Fate.LOST:
                    sender.prepare()
                row = self._next(hub)
        finally:
            sender.close()

    def _next(self, hub: gevent.hub.Hub) -> int:
        """Wait for the row to be resumed for."""
        self._idle.append(gevent.getcurrent())
        row: int = hub.switch()
        return row

    def _settle(self, row: int, answer: Answer) -> None:
        records = self.records
        records.sent[row] = answer.sent - self._begun
        records.first[row] = answer.first - self._begun
        records.done[row] = answer.done - self._begun
        records.status[row] = answer.status
        records.fate[row] = answer.fate
        if answer.timing:
            self.timings[self._numbers[row]] = answer.timing
        self.under_way -= 1
        if not self.under_way:
            self._quiet.set()
        self._settled(row)

    def _count(self, more: int, now: float) -> None:
        """Add to the area; it adds up in whatever order the moments are told."""
        self.area += self._present * (now - self._changed)
        self._changed = now
        self._present += more

    def _wait(self, seconds: float) -> None:
        end = CLOCK() + seconds
        while self.under_way and CLOCK() < end:
            self._quiet.clear()
            self._quiet.wait(end - CLOCK())

    def _end(self) -> None:
        """What is under way is lost, what was not begun is not asked any more."""
        gevent.killall(self._greenlets)
        self._count(0, CLOCK())
        records = self.records
        pending = records.fate == Fate.PENDING
        begun = ~np.isnan(records.dispatched)
        records.fate[pending & ~begun] = Fate.UNASKED
        records.fate[pending & begun] = Fate.LOST
        records.done[pending & begun] = self._changed - self._begun
        for row in np.flatnonzero(pending & begun):
            self._settled(int(row))
