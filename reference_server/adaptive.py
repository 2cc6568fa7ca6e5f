"""How many works a model may have at once, where their times shall say so."""

from math import sqrt

from .errors import LimitReached
from .pipeline import Computed, Stage
from .signature import Work

__all__ = ["AdaptiveLimit", "LimitedStage"]

_FIRST = 20
_TOLERATED = 2.0
_STEEPEST = 0.5
_WINDOW = 16


class AdaptiveLimit:
    """Learns from the times of works how many may wait and run at once.

    This is the gradient of Netflix's concurrency-limits ("Performance Under Load", 2018): after a
    window of works the next limit is `limit * gradient + sqrt(limit)`, where the gradient is the
    time without load, by the time that it took, times 2 (the tolerance), from 0.5 to 1. The root is
    the queue that is left to bursts: it keeps the limit at 4 or more. Netflix has to guess the time
    without load; an engine measures it, as what an execution takes by itself. Twice that is no
    sign of load: while a batch runs, the next one waits for it.
    """

    def __init__(self) -> None:
        self._limit = float(_FIRST)
        self._begin_window()

    def _begin_window(self) -> None:
        self._works = self._most = 0
        self._seconds = self._unloaded = 0.0

    @property
    def limit(self) -> int:
        """How many works there may be at once."""
        return int(self._limit)

    def observe(self, seconds: float, unloaded: float, in_flight: int) -> None:
        """Learn from a work that is done.

        Args:
            seconds: that it took, with its wait; above 0.
            unloaded: that it would have taken without any wait.
            in_flight: how many works there were at its end, with itself.
        """
        self._works += 1
        self._seconds += seconds
        self._unloaded += unloaded
        self._most = max(self._most, in_flight)
        if self._works >= max(_WINDOW, self._limit):
            self._learn()
            self._begin_window()

    def _learn(self) -> None:
        if 2 * self._most < self._limit:  # there was no load, so nothing to learn about it
            return
        gradient = _TOLERATED * self._unloaded / self._seconds
        gradient = max(_STEEPEST, min(1.0, gradient))
        self._limit = self._limit * gradient + sqrt(self._limit)


class LimitedStage:
    """A stage that takes no more works at once than the limit, and lets it learn from them.

    Args:
        name: of the model, for errors.
        stage: computes: an engine.
        limit: of it.
    """

    def __init__(self, name: str, stage: Stage, limit: AdaptiveLimit) -> None:
        self._name = name
        self._stage = stage
        self._limit = limit
        self._in_flight = 0

    async def __call__(self, work: Work) -> Computed:
        """Return the outputs of `work`.

        Raises:
            LimitReached: there are as many works as may.
        """
        if self._in_flight >= self._limit.limit:
            raise LimitReached(f"model {self._name}: {self._in_flight} requests are there already")
        self._in_flight += 1
        try:
            computed = await self._stage(work)
            took = computed.queue_seconds + computed.compute_seconds
            self._limit.observe(took, computed.compute_seconds, self._in_flight)
            return computed
        finally:
            self._in_flight -= 1
