"""A closed loop: the next query is asked when the last one has been answered, as in MLPerf."""

from collections.abc import Callable

import gevent
import numpy as np

from .generator import Generator, Sender
from .pacer import CLOCK
from .plan import Plan
from .records import Fate

__all__ = ["ClosedLoop", "generator_of"]


class ClosedLoop(Generator):
    """Asks a query of so many requests at once, waits for all of them, and asks the next.

    The intended moment of a query is the one at which the last was complete, so that what the
    generator itself takes shows as its lateness. Each request has its row as in an open loop; rows
    that are not needed before the time is over stay UNASKED, and `asked` does not count them.

    Args:
        numbers: as of a generator.
        intended: as of a generator; no query begins behind the last of them.
        sender: as of a generator.
        in_flight: as of a generator.
        settled: as of a generator.
        together: requests of a query.
    """

    def __init__(
        self,
        numbers: np.ndarray,
        intended: np.ndarray,
        sender: Callable[[], Sender],
        in_flight: int,
        settled: Callable[[int], None],
        *,
        together: int,
    ) -> None:
        super().__init__(numbers, intended, sender, in_flight, settled)
        self._together = together
        self._seconds = float(intended[-1])

    def run(self, begun: float, drain: float) -> None:
        """Ask until the time is over, or the rows are.

        Args:
            begun: the moment 0, on the monotonic clock.
            drain: the most seconds that a query is waited for.
        """
        self._begun = begun
        gevent.sleep(max(0.0, begun - CLOCK()))
        asked, now = 0, 0.0
        try:
            while asked < len(self.records) and now < self._seconds:
                self._ask(asked, now, drain)
                asked += self._together
                now = CLOCK() - self._begun
            self.asked = asked
        finally:
            self._end()

    def _ask(self, first: int, now: float, drain: float) -> None:
        """One query, from its beginning to its last answer."""
        rows = slice(first, first + self._together)
        self.records.intended[rows] = now
        for row in range(first, first + self._together):
            gevent.get_hub().loop.run_callback(self._dispatch, row)
        end = self._begun + now + drain + 1.0
        while (self.records.fate[rows] == Fate.PENDING).any() and CLOCK() < end:
            self._quiet.clear()
            self._quiet.wait(end - CLOCK())


def generator_of(
    plan: Plan,
    numbers: np.ndarray,
    intended: np.ndarray,
    sender: Callable[[], Sender],
    settled: Callable[[int], None],
) -> Generator:
    """The generator that a plan asks for; the arguments are those of a `Generator`."""
    if plan.together:
        together = plan.together
        return ClosedLoop(numbers, intended, sender, plan.in_flight, settled, together=together)
    return Generator(numbers, intended, sender, plan.in_flight, settled)
