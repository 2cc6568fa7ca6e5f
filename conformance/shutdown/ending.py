"""A server of the check's own that is told to stop while it is asked."""

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from servespec.target.exchange import Exchange
from servespec.target.instance import Instance
from servespec.target.outcomes import Invalid
from servespec.target.target import Target
from servespec.target.traffic import Pending, open_burst

from ..questions import spin_of, spinning

__all__ = [
    "SETTLE",
    "Ending",
    "Held",
    "delay_seconds",
    "ending",
    "grace_seconds",
    "must_be_answered",
    "work_seconds",
]

KUBERNETES_GRACE = 30.0
"""Seconds that a pod has by default: for a target that claims no grace period of its own."""

WORK = 0.25
"""Seconds of a request that is in flight at the signal."""

SETTLE = 0.15
"""Harness: seconds after which the server has accepted what was sent."""


@dataclass(frozen=True, slots=True)
class Held:
    """Requests that the server has accepted and is working on, with what each is to be answered."""

    pending: Sequence[Pending]
    expected: Sequence[int]

    def answers(self, timeout: float) -> list[Exchange]:
        """What came for them, at most after so many seconds."""
        deadline = time.monotonic() + timeout
        return [one.read(max(0.1, deadline - time.monotonic())) for one in self.pending]


def must_be_answered(answers: Sequence[Exchange], expected: Sequence[int]) -> None:
    """FAIL unless each got its own answer."""
    for exchange, value in zip(answers, expected, strict=True):
        came = exchange.must_succeed().values("y")
        assert came == [value], f"a request that was accepted for {value} was answered {came}"


class Ending:
    """A fresh server that serves, until it is told to stop.

    Attributes:
        instance: the server.
        target: to ask it.
    """

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.target = instance.target
        self.signalled = 0.0

    def terminate(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Tells it to stop, as an orchestrator does."""
        self.signalled = time.monotonic()
        self.instance.signal(number)

    @contextmanager
    def holding(self, seconds: float, count: int = 1) -> Iterator[Held]:
        """Requests in flight, of so many seconds of work each; no two have the same answer."""
        first = spin_of(self.target, seconds)
        self.target.close()  # a kept connection is the business of the checks that ask about it
        with self.asking(range(first, first + count)) as held:
            yield held

    @contextmanager
    def asking(self, expected: Sequence[int]) -> Iterator[Held]:
        """Requests in flight, of so many iterations of `spin`."""
        messages = [spinning(iterations).message(self.target) for iterations in expected]
        with open_burst(self.target.rest, messages) as pending:
            time.sleep(SETTLE)
            yield Held(pending, expected)

    def since(self) -> float:
        """Seconds since the signal."""
        return time.monotonic() - self.signalled

    def wait_until(self, seconds: float) -> None:
        """Returns so many seconds after the signal.

        Raises:
            Invalid: they are over already, so that what was to happen in them cannot be judged.
        """
        left = seconds - self.since()
        if left < 0:
            raise Invalid(f"the moment {seconds:g} s after the signal was missed by {-left:.2f} s")
        time.sleep(left)


@contextmanager
def ending(target: Target, *fixtures: str) -> Iterator[Ending]:
    """A server that is ready and hosts these fixtures, and `spin`."""
    with target.fresh("spin", *fixtures) as instance:
        yield Ending(instance)


def delay_seconds(target: Target) -> float:
    """How long the target claims to serve new requests after the signal."""
    return float(target.claim("shutdown", "delay_seconds", 0))


def grace_seconds(target: Target) -> float:
    """How long the target may take to end."""
    return float(target.claim("shutdown", "grace_seconds", KUBERNETES_GRACE))


def work_seconds(target: Target, count: int) -> float:
    """The length of each of `count` requests: one after the other they take half of the grace."""
    return min(WORK, grace_seconds(target) / 2 / count)
