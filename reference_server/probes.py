"""Three questions about the server: is it live, is it ready, has it started.

Their answers are plain reads of shared state: any thread may ask, and asking waits for nothing.
"""

import asyncio
from collections.abc import Callable, Mapping
from time import monotonic

from msgspec import json

from .http import HttpResponse
from .lifecycle import Lifecycle, Phase
from .repository import State

__all__ = ["PROBES", "Heartbeat", "Probes", "probe_answer"]

PROBES = ("live", "ready", "startup")
"""The names of the questions: methods of `Probes`."""

_BEAT_SECONDS = 0.1


class Heartbeat:
    """When the main event loop was last seen at work."""

    def __init__(self) -> None:
        self._last = monotonic()

    async def run(self) -> None:
        """Beat while the loop does."""
        while True:
            self._last = monotonic()
            await asyncio.sleep(_BEAT_SECONDS)

    def age(self) -> float:
        """Return the seconds since the last beat."""
        return monotonic() - self._last


class Probes:
    """The answers. The small methods each hold one rule, so that a subclass can break one.

    Args:
        lifecycle: where the server is in its life.
        health: the state of each version of each model.
        heartbeat: of the main event loop.
        stuck_seconds: the age of a heartbeat from which the loop counts as blocked for good.
    """

    def __init__(
        self,
        lifecycle: Lifecycle,
        health: Callable[[], Mapping[tuple[str, str], State]],
        heartbeat: Heartbeat,
        stuck_seconds: float,
    ) -> None:
        self.lifecycle = lifecycle
        self.health = health
        self.heartbeat = heartbeat
        self.stuck_seconds = stuck_seconds

    def live(self) -> bool:
        """Whether a restart would cure nothing: no engine is stuck, and the main loop runs."""
        return self.heartbeat.age() < self.stuck_seconds and not self.any_stuck()

    def ready(self) -> bool:
        """Whether every model can be asked, and nobody wants us to leave."""
        states = self.health().values()
        return self.lifecycle.phase is Phase.READY and all(map(self.can_be_asked, states))

    def startup(self) -> bool:
        """Whether the initial load is over; once true, it stays true."""
        return self.lifecycle.started

    def any_stuck(self) -> bool:
        """Whether an engine has been at one batch for so long that it will never end."""
        return any(state is State.STUCK for state in self.health().values())

    def can_be_asked(self, state: State) -> bool:
        """Whether a model in this state is ready. It is not, for new callers, when we leave."""
        return state is State.READY and not self.lifecycle.leaving


def probe_answer(probes: Probes, probe: str) -> HttpResponse:
    """Answer one of `PROBES` over HTTP."""
    good: bool = getattr(probes, probe)()
    headers = (("Content-Type", "application/json"),)
    return HttpResponse(200 if good else 503, json.encode({probe: good}), headers)
