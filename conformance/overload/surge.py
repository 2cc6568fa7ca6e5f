"""More requests than a server can answer, each at its moment, and what became of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from servespec.target.exchange import Exchange
from servespec.target.schedules import Schedule
from servespec.target.target import Target
from servespec.target.traffic import Question as Sent
from servespec.target.traffic import constant

from ..questions import Question, queueing, spin_of
from .timing import Block, driven

__all__ = ["Work", "echoing", "work_of"]

EXECUTION = 0.02
"""Seconds of one request, about: so long that asking and refusing cost little beside it."""
COUNTED, CALLERS = 36, (6, 2, 1)
"""Requests by which the capacity is measured, and how many of them at once: none is refused.

The most is answered of six by who works at several, of two or one by who loses time
where others wait.
"""
CONNECTIONS = 1000
"""More than wait at once of any surge, so that who waits holds up nobody of ours."""
PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Work:
    """Requests to `queued` of one length; `rate` of them a second are all that are answered."""

    target: Target
    iterations: int
    rate: float

    def offered(self, share: float, seconds: float) -> Block:
        """What becomes of this share of the capacity, so many seconds long.

        Each request has a number of its own, which must come back to it.
        """
        schedule = constant(share * self.rate, seconds)
        return self._sent(schedule, CONNECTIONS)

    def _sent(self, schedule: Schedule, connections: int) -> Block:
        ask = echoing(self.target, lambda index: queueing(self.iterations, 1 + index))
        return driven(self.target.rest, schedule, ask, connections=connections, timeout=PATIENCE)

    def again(self) -> "Work":
        """The same requests, and the capacity as it is now."""
        return replace(self, rate=max(self._answered(callers) for callers in CALLERS))

    def _answered(self, callers: int) -> float:
        """Answers a second to so many at a time."""
        return self._sent([0.0] * COUNTED, callers).ledger.answers_a_second(callers)


def work_of(target: Target) -> Work:
    """Requests of about 20 ms, and how many of them the target answers in a second."""
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
