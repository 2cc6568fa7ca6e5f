"""Threads that run functions for an event loop."""

import asyncio
from threading import Event

import pytest

from ..workers import Workers

SECONDS = 5.0


def test_the_loop_goes_on_while_a_function_runs_and_gets_its_result() -> None:
    async def ask() -> bool:
        gate, workers = Event(), Workers(1)
        workers.start()
        asked = asyncio.create_task(workers.run(lambda: gate.wait(SECONDS)))
        await asyncio.sleep(0)
        gate.set()
        workers.stop()
        return await asked

    assert asyncio.run(ask()) is True


def test_whatever_a_function_raises_reaches_its_caller_and_the_thread_goes_on() -> None:
    def fail() -> None:
        raise SystemError("gone")

    async def ask() -> int:
        workers = Workers(1)
        workers.start()
        with pytest.raises(SystemError):
            await workers.run(fail)
        return await workers.run(lambda: 7)

    assert asyncio.run(ask()) == 7


def test_who_leaves_waits_no_longer_and_what_was_not_started_is_dropped() -> None:
    async def ask() -> list[str]:
        gate, began, ran, workers = Event(), Event(), list[str](), Workers(1)
        workers.start()

        def first() -> None:
            began.set()
            gate.wait(SECONDS)

        callers = [
            asyncio.create_task(workers.run(function))
            for function in (first, lambda: ran.append("second"))
        ]
        assert await asyncio.to_thread(began.wait, SECONDS)
        for caller in callers:
            caller.cancel()
        await asyncio.wait(callers, timeout=SECONDS)
        assert not gate.is_set()
        gate.set()
        await workers.run(lambda: ran.append("third"))
        return ran

    assert asyncio.run(ask()) == ["third"]
