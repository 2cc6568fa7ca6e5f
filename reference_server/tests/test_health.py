"""gRPC health follows readiness."""

import asyncio
from typing import cast

from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from servespec.wire import proto

from ..grpc import Context
from ..health import Health
from ..lifecycle import Lifecycle, Phase

NO_CONTEXT = cast(Context, None)
SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING


def watch(health: Health, service: str, count: int) -> "asyncio.Task[list[int]]":
    """Collect that many answers of a watch."""

    async def collect() -> list[int]:
        answers = list[int]()
        async for answer in health.watch(HealthCheckRequest(service=service), NO_CONTEXT):
            answers.append(answer.status)
            if len(answers) == count:
                break
        return answers

    return asyncio.create_task(collect())


def test_every_watcher_hears_of_every_phase_even_after_another_has_left() -> None:
    async def lives() -> list[list[int]]:
        lifecycle = Lifecycle()
        health = Health(lifecycle)
        first, second = watch(health, "", 1), watch(health, proto.SERVICE, 4)
        await first
        for phase in (Phase.READY, Phase.STOPPING):
            await asyncio.sleep(0)
            await lifecycle.enter(phase)
        return [await first, await second]

    assert asyncio.run(lives()) == [[NOT_SERVING], [NOT_SERVING, SERVING, NOT_SERVING]]


def test_a_watch_of_an_unknown_service_stays_open() -> None:
    async def lives() -> list[int]:
        lifecycle = Lifecycle()
        watcher = watch(Health(lifecycle), "other", 2)
        await asyncio.sleep(0)
        await lifecycle.enter(Phase.READY)
        await asyncio.sleep(0)
        assert not watcher.done()
        await lifecycle.enter(Phase.STOPPING)
        return await watcher

    assert asyncio.run(lives()) == [HealthCheckResponse.SERVICE_UNKNOWN]
