"""Identical work that is asked for at the same time runs once."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from .pipeline import Computed, Stage
from .signature import Reuse, Urgency, Work

__all__ = ["CoalescingStage", "Flight"]


@dataclass(eq=False)
class Flight:
    """One execution, how urgent it is, and how many wait for its outcome."""

    task: "asyncio.Task[Computed]"
    urgency: Urgency
    callers: int = 0


class CoalescingStage:
    """A stage that lets whoever asks for what is being computed wait for that.

    The execution belongs to nobody: it goes on while anybody waits for it. What becomes of it, be
    it an error, is told to those who wait then, and not kept.

    Args:
        stage: computes.
        joined: hears of each caller that found an execution under way.
        lifted: is called when one of them made it more urgent.

    Attributes:
        flights: what is under way, by its key.
    """

    def __init__(
        self, stage: Stage, joined: Callable[[], None], lifted: Callable[[], None]
    ) -> None:
        self._stage = stage
        self._joined = joined
        self._lifted = lifted
        self.flights: dict[bytes, Flight] = {}

    async def __call__(self, work: Work) -> Computed:
        """Return the outputs of `work`: those of the same execution to all who ask meanwhile."""
        if work.key is None or work.reuse is not Reuse.ALLOWED:
            return await self._stage(work)
        flight = self.flights.get(work.key)
        if flight is None:
            return await self._outcome(work.key, self._begin(work.key, work))
        self._joined()
        self._lift(flight, work.priority)
        return replace(await self._outcome(work.key, flight), source="flight")

    def _begin(self, key: bytes, work: Work) -> Flight:
        flight = Flight(asyncio.create_task(self._fly(key, work)), Urgency(work.priority))
        self.flights[key] = flight
        return flight

    async def _fly(self, key: bytes, work: Work) -> Computed:
        flight = self.flights[key]
        try:
            # Others may have more time, or less.
            return await self._stage(replace(work, deadline=None, urgency=flight.urgency))
        finally:
            self._forget(key, flight)  # before its outcome is known: who comes later begins anew

    def _lift(self, flight: Flight, priority: int) -> None:
        if priority < flight.urgency.priority:
            flight.urgency.priority = priority
            self._lifted()

    async def _outcome(self, key: bytes, flight: Flight) -> Computed:
        flight.callers += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.callers -= 1
            if not flight.callers:
                self._forget(key, flight)
                flight.task.cancel()

    def _forget(self, key: bytes, flight: Flight) -> None:
        if self.flights.get(key) is flight:
            del self.flights[key]
