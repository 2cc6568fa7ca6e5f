"""More requests than a server can answer, each at its moment, and what became of them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from servespec.target.exchange import Exchange
from servespec.target.outcomes import Invalid, Untestable
from servespec.target.schedules import Schedule
from servespec.target.target import Target
from servespec.target.traffic import Ledger, Outcome, Row, constant, drive
from servespec.target.traffic import Question as Sent

from ..questions import Question, queueing, spin_of

__all__ = ["Work", "echoing", "measured", "must_take_at_most", "seconds_of", "work_of"]

EXECUTION = 0.01
"""Seconds of one request, about."""
COUNTED, CALLERS = 80, 6
"""Requests by which the capacity is measured, and how many of them at once: none is refused."""
CONNECTIONS = 1000
"""More than wait at once of any surge, so that who waits holds up nobody of ours."""
PATIENCE = 20.0
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Work:
    """Requests to `queued` of one length; `rate` of them a second are all that are answered."""

    target: Target
    iterations: int
    rate: float

    def offered(self, share: float, seconds: float) -> Ledger:
        """What becomes of this share of the capacity, so many seconds long.

        Each request has a number of its own, which must come back to it.
        """
        schedule = constant(share * self.rate, seconds)
        return self._sent(schedule, CONNECTIONS)

    def _sent(self, schedule: Schedule, connections: int) -> Ledger:
        ask = echoing(self.target, lambda index: queueing(self.iterations, 1 + index))
        return drive(self.target.rest, schedule, ask, connections=connections, timeout=PATIENCE)

    def again(self) -> "Work":
        """The same requests, and the capacity as it is now."""
        ledger = self._sent([0.0] * COUNTED, CALLERS)
        missed = [row for row in ledger.rows if row.outcome is not Outcome.ANSWERED]
        if missed:
            raise Untestable(
                f"{CALLERS} at a time, {len(missed)} of {COUNTED} requests are not answered:"
                f" {missed[0].detail}"
            )
        done = sorted(row.done for row in ledger.rows)[CALLERS:]
        return Work(self.target, self.iterations, (len(done) - 1) / (done[-1] - done[0]))


def work_of(target: Target) -> Work:
    """Requests of about 10 ms, and how many of them the target answers in a second."""
    work = Work(target, spin_of(target, EXECUTION, queueing), 0.0).again()
    target.record("capacity, answers a second", f"{work.rate:.0f}")
    return work


def echoing(target: Target, ask: Callable[[int], Question]) -> Callable[[int], Sent]:
    """Questions to a model that echoes: whoever gets other data than their own is crossed."""

    def question(index: int) -> Sent:
        asked = ask(index)
        own = asked.body["inputs"][0]["data"]

        def accept(exchange: Exchange) -> str | None:
            came = exchange.values("y")
            return None if came == own else f"the caller of {own} got {came}"

        return Sent(str(index), asked.message(target), accept)

    return question


def measured(target: Target, judge: Callable[[], None]) -> None:
    """Judge a block of traffic; again, three times in all, while we spoilt it ourselves."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return judge()
        except Invalid as error:
            target.record(f"attempt {attempt}", error)
            spoilt = error
    raise spoilt


def seconds_of(rows: Iterable[Row], percent: float) -> tuple[float, float]:
    """A percentile of the times to the answers: from the intended moment, and from dispatch."""
    times = [(row.done - row.intended, row.done - row.dispatched) for row in rows]
    intended, dispatched = np.percentile(times, percent, axis=0).tolist()
    return intended, dispatched


def must_take_at_most(
    target: Target, bound: float, rows: Sequence[Row], percent: float, what: str
) -> None:
    """FAIL when a percentile of the times is above the bound.

    Raises:
        Invalid: it is, but only since we were late to send them.
    """
    intended, dispatched = seconds_of(rows, percent)
    target.record(f"p{percent:g} of {what}", f"{intended * 1000:.1f} ms")
    if intended > bound >= dispatched:
        raise Invalid(
            f"{what} were sent too late to be judged: p{percent:g} is {intended * 1000:.0f} ms"
            f" from the intended moment, {dispatched * 1000:.0f} ms from dispatch"
        )
    assert intended <= bound, (
        f"p{percent:g} of {what} is {intended * 1000:.0f} ms, not at most {bound * 1000:.0f} ms"
    )
