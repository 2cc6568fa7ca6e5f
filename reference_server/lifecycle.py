"""The server's life as a whole, and the order of its end.

    STARTING -> READY -> DELAYING -> DRAINING -> STOPPED

DELAYING begins with the first signal: who sends us work learns late that we leave, so we still
serve it. A server that is still STARTING was not sent any, and drains at once.
"""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Coroutine
from enum import Enum, auto
from time import monotonic
from typing import Any, Protocol

__all__ = ["Leaving", "Lifecycle", "Phase"]

_RESERVE, _LONGEST_RESERVE = 0.5, 1.5
"""Of the grace, and in seconds: what it takes to answer what is given up, and to exit."""


class Phase(Enum):
    """Where the server is in its life."""

    STARTING = auto()
    READY = auto()
    DELAYING = auto()
    DRAINING = auto()
    STOPPED = auto()


class Leaving(Protocol):
    """The doors, as the end sees them."""

    def say_close(self) -> None:
        """Serve on, and say with each answer that it is the connection's last one."""

    async def refuse(self) -> None:
        """Refuse what begins from now on."""

    async def settled(self) -> None:
        """Return when all that was begun is answered."""

    async def abandon(self) -> None:
        """Answer what is unfinished with an error."""

    async def close(self) -> None:
        """Stop listening."""


class Lifecycle:
    """The current phase, those who want to hear of the next, and the way to the last.

    The small methods each hold one rule, so that a subclass can break one. The phase is read by
    other threads too; all else is for the event loop.

    Args:
        delay_seconds: how long new work is still served after the first signal.
        grace_seconds: from the first signal to the exit.
    """

    exit_code = 0

    def __init__(self, delay_seconds: float, grace_seconds: float) -> None:
        self.delay_seconds = delay_seconds
        self.grace_seconds = grace_seconds
        self.ended = asyncio.Event()
        self.phase = Phase.STARTING
        self.started = False
        self._urgent = asyncio.Event()
        self._signalled = 0.0
        self._interrupts = 0
        self._listeners: list[Callable[[Phase], Awaitable[None]]] = []

    @property
    def leaving(self) -> bool:
        """Whether the end has begun: nobody should send us anything more."""
        return self.phase not in (Phase.STARTING, Phase.READY)

    @property
    def draining(self) -> bool:
        """Whether new work is refused."""
        return self.phase in (Phase.DRAINING, Phase.STOPPED)

    def listen(self, listener: Callable[[Phase], Awaitable[None]]) -> None:
        """Have `listener` awaited on each change."""
        self._listeners.append(listener)

    async def enter(self, phase: Phase) -> None:
        """Change the phase, then tell the listeners."""
        self.phase = phase
        for listener in self._listeners:
            await listener(phase)

    async def loaded(self) -> None:
        """The initial load is over, well or not."""
        self.started = True
        await self.enter(Phase.READY)

    # Signals.

    def signalled(self, number: int) -> None:
        """The first signal begins the end; later ones are for the impatient only."""
        self._interrupts += number == signal.SIGINT
        if not self.ended.is_set():
            self._signalled = monotonic()
            self.ended.set()
        elif self.hurries(number):
            self._urgent.set()

    def hurries(self, number: int) -> bool:
        """Whether this further signal ends at once what is left: a second SIGINT does."""
        return number == signal.SIGINT and self._interrupts > 1

    # The end.

    async def end(self, doors: Leaving) -> None:
        """Go from the first signal to the last answer."""
        if self.phase is Phase.READY:
            await self.enter(Phase.DELAYING)
            await self.delay(doors)
        await self.enter(Phase.DRAINING)
        await self.drain(doors)
        await self.enter(Phase.STOPPED)
        await self.finish(doors)

    async def delay(self, doors: Leaving) -> None:
        """Serve on for a while, and send away who comes again."""
        doors.say_close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._urgent.wait(), self.delay_seconds)

    async def drain(self, doors: Leaving) -> None:
        """Finish what was begun, then end what is left, late requests included."""
        await doors.refuse()
        await self._while_patient(doors.settled())
        await doors.abandon()

    async def finish(self, doors: Leaving) -> None:
        """Close."""
        await doors.close()

    def patience(self) -> float:
        """How many seconds what was begun may still take."""
        reserve = min(_RESERVE * self.grace_seconds, _LONGEST_RESERVE)
        return max(0.0, self._signalled + self.grace_seconds - reserve - monotonic())

    async def _while_patient(self, work: Coroutine[Any, Any, None]) -> None:
        """Await it, but not for too long, nor when somebody does not want to wait for it."""
        working = asyncio.create_task(work)
        hurried = asyncio.create_task(self._urgent.wait())
        both = (working, hurried)
        await asyncio.wait(both, timeout=self.patience(), return_when=asyncio.FIRST_COMPLETED)
        for task in both:
            task.cancel()
        await asyncio.wait(both)
