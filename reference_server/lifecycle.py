"""The server's life as a whole: starting, ready, stopping."""

from collections.abc import Awaitable, Callable
from enum import Enum, auto

__all__ = ["Lifecycle", "Phase"]


class Phase(Enum):
    """Where the server is in its life. It is live in each of these phases."""

    STARTING = auto()
    READY = auto()
    STOPPING = auto()


class Lifecycle:
    """The current phase, and those who want to hear of the next."""

    def __init__(self) -> None:
        self._phase = Phase.STARTING
        self._listeners: list[Callable[[Phase], Awaitable[None]]] = []

    @property
    def ready(self) -> bool:
        """Whether every model that the server is to serve can be asked."""
        return self._phase is Phase.READY

    @property
    def stopping(self) -> bool:
        """Whether the end has begun."""
        return self._phase is Phase.STOPPING

    def listen(self, listener: Callable[[Phase], Awaitable[None]]) -> None:
        """Have `listener` awaited on each change."""
        self._listeners.append(listener)

    async def enter(self, phase: Phase) -> None:
        """Change the phase, then tell the listeners."""
        self._phase = phase
        for listener in self._listeners:
            await listener(phase)
