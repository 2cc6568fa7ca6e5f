"""Requests that wait behind a long one, and what those cost who leave before their turn."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from servespec.target.outcomes import Invalid, Untestable
from servespec.target.target import Target
from servespec.target.traffic import Pending, open_burst

from ..questions import Question, executions_between, queueing, spin_of

__all__ = ["LEAVERS", "SETTLE", "Jam", "jam"]

BLOCKED = 0.8
"""Seconds of the request that all others wait for."""
LEAVERS = 5
"""How many wait and leave: with the one behind them fewer than the queue of `queued` takes."""
WORTH = 0.2
"""Seconds that each of them would take."""
SETTLE = 0.1
"""Harness: seconds after which the server has read what was sent, and what has left."""
MOMENT = 0.001
PROBED = 0.3
"""Seconds of the request behind which another one waits, unless the two run side by side."""
PATIENCE = 10.0


class Jam:
    """A long request that is executed, and others behind it.

    Attributes:
        work: iterations of each who leaves.
    """

    def __init__(self, target: Target, first: Pending, work: int) -> None:
        self._target = target
        self._first = first
        self.work = work

    def leavers(self, **more: object) -> Sequence[Question]:
        """What those ask who will have left before their turn."""
        return [queueing(self.work, 1 + place, **more) for place in range(LEAVERS)]

    def must_pass_over(self, left: int = LEAVERS) -> None:
        """FAIL unless who comes behind those who left is served as if they had not been there."""
        with open_burst(self._target.rest, [queueing(1).message(self._target)]) as (last,):
            if self._first.begins(MOMENT):
                raise Invalid("the execution was over before the others had left")
            first = self._first.read(PATIENCE).must_succeed()
            ran = executions_between(first, last.read(PATIENCE).must_succeed())
            waited = last.done - self._first.done
        if ran is not None:
            self._target.record("executions for nobody", ran)
            assert not ran, f"{ran} of {left} requests were executed after their callers had left"
            return
        self._target.record("the next one waited", f"{waited:.2f} s")
        assert waited < left * WORTH / 2, (
            f"{left} callers left, and who came behind them waited {waited:.2f} s longer than"
            " for the one before them"
        )


@contextmanager
def jam(target: Target) -> Iterator[Jam]:
    """A jam that has just begun.

    Raises:
        Untestable: the target runs requests side by side, so that who leaves has not waited.
    """
    long = spin_of(target, BLOCKED, queueing)
    _must_queue(target, max(1, round(long * PROBED / BLOCKED)))
    with open_burst(target.rest, [queueing(long).message(target)]) as (first,):
        time.sleep(SETTLE)
        yield Jam(target, first, max(1, round(long * WORTH / BLOCKED)))


def _must_queue(target: Target, work: int) -> None:
    with open_burst(target.rest, [queueing(work).message(target)]) as (first,):
        time.sleep(SETTLE)
        with open_burst(target.rest, [queueing(1).message(target)]) as (second,):
            if second.begins(SETTLE) and not first.begins(MOMENT):
                raise Untestable("the target runs requests side by side: none of them waits")
            for one in (first, second):
                one.read(PATIENCE).must_succeed()
