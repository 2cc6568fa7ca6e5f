"""gRPC health follows readiness."""

import asyncio
from typing import cast

from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from servespec.wire import proto

from ..grpc import Context
from ..health import Health
from ..lifecycle import Lifecycle, Phase
from ..probes import Heartbeat, Probes
from ..repository import State

NO_CONTEXT = cast(Context, None)
SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING


def sound() -> Probes:
    """Of a server without models, which is ready when it says so."""
    return Probes(Lifecycle(0.0, 1.0), dict, Heartbeat(), stuck_seconds=30.0)


class Watcher:
    """Watches a service."""

    def __init__(self, health: Health, service: str) -> None:
        self._answers = health.watch(HealthCheckRequest(service=service), NO_CONTEXT)

    async def next(self) -> int:
        """Return the next status."""
        return (await anext(self._answers)).status

    async def over(self) -> bool:
        """Return whether the watch has come to its end."""
        return await anext(self._answers, None) is None


def test_every_watcher_hears_of_every_change_until_the_drain() -> None:
    async def lives() -> None:
        probes = sound()
        first, second = (Watcher(Health(probes), service) for service in ("", proto.SERVICE))
        assert await first.next() == await second.next() == NOT_SERVING
        await probes.lifecycle.enter(Phase.READY)
        assert await second.next() == SERVING  # the first one does not ask any more
        await probes.lifecycle.enter(Phase.DELAYING)
        assert await second.next() == NOT_SERVING
        await probes.lifecycle.enter(Phase.DRAINING)
        assert await second.over()

    asyncio.run(lives())


def test_a_watcher_too_slow_for_the_delay_still_hears_of_the_end() -> None:
    async def lives() -> None:
        probes = sound()
        await probes.lifecycle.enter(Phase.READY)
        watcher = Watcher(Health(probes), "")
        assert await watcher.next() == SERVING
        await probes.lifecycle.enter(Phase.DRAINING)
        assert await watcher.next() == NOT_SERVING
        assert await watcher.over()

    asyncio.run(lives())


def test_a_watcher_hears_of_an_engine_that_died() -> None:
    async def lives() -> None:
        states = {("a", "1"): State.READY}
        probes = Probes(Lifecycle(0.0, 1.0), lambda: states, Heartbeat(), stuck_seconds=30.0)
        watcher = Watcher(Health(probes), "")
        await probes.lifecycle.loaded()
        assert await watcher.next() == SERVING
        states["a", "1"] = State.FAILED
        assert await watcher.next() == NOT_SERVING

    asyncio.run(lives())


def test_a_watch_of_an_unknown_service_stays_open_until_the_drain() -> None:
    async def lives() -> None:
        probes = sound()
        watcher = Watcher(Health(probes), "other")
        assert await watcher.next() == HealthCheckResponse.SERVICE_UNKNOWN
        over = asyncio.create_task(watcher.over())
        await probes.lifecycle.enter(Phase.READY)
        await asyncio.sleep(0)
        assert not over.done()
        await probes.lifecycle.enter(Phase.DRAINING)
        assert await over

    asyncio.run(lives())
