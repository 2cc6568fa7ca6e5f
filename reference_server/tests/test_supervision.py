"""Engines that die, hang, or are stopped: their state, and callers who always hear of it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from threading import Event, Thread
from time import monotonic
from typing import TypeVar

import numpy as np
import pytest

from ..batching import BatchQueue, Forming, Group, Ticket
from ..engine import Engine, EngineState
from ..errors import ComputeFailed, ShuttingDown
from ..model_file import Batching
from ..pipeline import Computed, Execute, Outcome
from ..signature import Work

SECONDS = 5.0
FOREVER = 1e9
KILL = -1.0
Result = TypeVar("Result")


def work(number: float = 0.0) -> Work:
    """Work of one row."""
    return Work({"x": np.array([[number]])}, ("y",))


class Model:
    """Holds its batches back until it is let go; KILL is the end of its thread."""

    def __init__(self) -> None:
        self.runs, self.may_end = Event(), Event()
        self.batches = list[int]()

    def __call__(self, works: Sequence[Work]) -> Sequence[Outcome]:
        """Compute."""
        self.batches.append(len(works))
        self.runs.set()
        if any(KILL in asked.tensors["x"] for asked in works):
            raise SystemExit("killed")
        self.may_end.wait(SECONDS)
        return [[asked.tensors["x"]] for asked in works]


def conversation(
    execute: Execute,
    ask: Callable[[Engine], Awaitable[Result]],
    instances: int = 1,
    forming: Forming | None = None,
) -> Result:
    """Talk with an engine, within bounds."""

    async def talk() -> Result:
        queue = BatchQueue(forming or Forming(Batching(max_rows=8)))
        engine = Engine("'m'", execute, queue, asyncio.get_running_loop(), instances)
        engine.start()
        try:
            return await asyncio.wait_for(ask(engine), SECONDS)
        finally:
            await asyncio.to_thread(engine.stop, SECONDS)

    return asyncio.run(talk())


async def running(engine: Engine, model: Model, count: int = 1) -> list["asyncio.Task[Computed]"]:
    """Have so many callers, and a batch that runs."""
    callers = [asyncio.create_task(engine.compute(work())) for _ in range(count)]
    await asyncio.to_thread(model.runs.wait, SECONDS)
    return callers


async def failures(callers: Sequence[Awaitable[Computed]]) -> list[type[BaseException] | None]:
    """How each of the callers failed."""
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    return [type(each) if isinstance(each, BaseException) else None for each in outcomes]


def test_callers_of_a_dead_thread_get_an_error_and_the_next_ones_an_answer() -> None:
    async def ask(engine: Engine) -> EngineState:
        model.may_end.set()
        assert await failures([engine.compute(work(KILL))]) == [ComputeFailed]
        state = engine.state(FOREVER, FOREVER)
        assert await failures([engine.compute(work()), engine.compute(work())]) == [None, None]
        return state

    model = Model()
    assert conversation(model, ask) is EngineState.DOWN


def test_a_death_is_seen_for_a_second_and_no_longer() -> None:
    async def ask(engine: Engine) -> float:
        await failures([engine.compute(work(KILL))])
        died = monotonic()
        while engine.state(FOREVER, FOREVER) is EngineState.DOWN:
            await asyncio.to_thread(model.may_end.wait, 0.01)
        return monotonic() - died

    model = Model()
    assert 0.9 < conversation(model, ask) < SECONDS


def test_only_the_batch_of_the_dead_thread_fails() -> None:
    async def ask(engine: Engine) -> list[type[BaseException] | None]:
        callers = await running(engine, model)
        killed = asyncio.create_task(engine.compute(work(KILL)))
        assert await failures([killed]) == [ComputeFailed]
        model.may_end.set()
        return await failures(callers)

    model = Model()
    assert conversation(model, ask, instances=2) == [None]


def test_callers_are_told_when_the_forming_of_a_batch_fails() -> None:
    class Broken(Forming):
        def take(self, group: Group) -> list[Ticket]:
            super().take(group)
            raise RuntimeError("lost")

    async def ask(engine: Engine) -> list[type[BaseException] | None]:
        return await failures([engine.compute(work()), engine.compute(work())])

    forming = Broken(Batching(max_rows=1))
    assert conversation(Model(), ask, forming=forming) == [ComputeFailed, ComputeFailed]


def test_too_few_outcomes_are_an_error_for_the_whole_batch() -> None:
    async def ask(engine: Engine) -> list[type[BaseException] | None]:
        return await failures([engine.compute(work())])

    assert conversation(lambda _works: [], ask) == [ComputeFailed]


def test_a_thread_that_dies_while_the_engine_stops_is_replaced_and_the_rest_is_served() -> None:
    async def ask(engine: Engine) -> list[type[BaseException] | None]:
        callers = await running(engine, model)
        callers += [asyncio.create_task(engine.compute(work(number))) for number in (KILL, 1)]
        await asyncio.sleep(0)
        stopping = asyncio.create_task(asyncio.to_thread(engine.stop, SECONDS))
        model.may_end.set()
        outcomes = await failures(callers)
        await stopping
        return outcomes

    model = Model()
    forming = Forming(Batching(max_rows=1))
    assert conversation(model, ask, forming=forming) == [None, ComputeFailed, None]


def test_an_engine_stalls_when_no_instance_is_free_and_is_stuck_when_one_is() -> None:
    async def ask(engine: Engine) -> None:
        callers = await running(engine, model)
        assert engine.state(FOREVER, FOREVER) is EngineState.WORKING
        assert engine.state(0.0, FOREVER) is EngineState.WORKING  # the other one is free
        assert engine.state(0.0, 0.0) is EngineState.STUCK
        model.runs.clear()
        callers += await running(engine, model)
        assert engine.state(0.0, FOREVER) is EngineState.STALLED
        model.may_end.set()
        await asyncio.gather(*callers)

    model = Model()
    conversation(model, ask, instances=2)


def test_an_engine_that_came_back_works() -> None:
    async def ask(engine: Engine) -> None:
        callers = await running(engine, model)
        model.may_end.set()
        await asyncio.gather(*callers)
        assert engine.state(0.0, 0.0) is EngineState.WORKING

    model = Model()
    conversation(model, ask)


def test_what_is_queued_is_finished_before_the_engine_stops() -> None:
    async def ask(engine: Engine) -> list[type[BaseException] | None]:
        callers = await running(engine, model, count=20)
        stopping = asyncio.create_task(asyncio.to_thread(engine.stop, SECONDS))
        model.may_end.set()
        await stopping
        assert await failures([engine.compute(work())]) == [ShuttingDown]
        return await failures(callers)

    model = Model()
    assert conversation(model, ask) == [None] * 20
    assert sum(model.batches) == 20


def test_who_is_left_when_the_engine_must_stop_gets_an_error() -> None:
    async def ask(engine: Engine) -> list[type[BaseException] | None]:
        callers = await running(engine, model, count=3)
        await asyncio.to_thread(engine.stop, 0.0)
        outcomes = await failures(callers)
        model.may_end.set()
        return outcomes

    model = Model()
    assert conversation(model, ask) == [ShuttingDown] * 3


@pytest.mark.parametrize("count", [1, 20])
def test_aborting_fails_all_that_is_queued_or_runs_though_the_thread_hangs(count: int) -> None:
    async def ask(engine: Engine) -> list[type[BaseException] | None]:
        callers = await running(engine, model, count)
        engine.abort()
        outcomes = await failures([*callers, engine.compute(work())])
        model.may_end.set()
        return outcomes

    model = Model()
    assert conversation(model, ask) == [ShuttingDown] * (count + 1)
    assert len(model.batches) == 1


def test_callers_who_leave_at_any_moment_disturb_nobody() -> None:
    async def ask(engine: Engine) -> None:
        callers = [asyncio.create_task(engine.compute(work(number))) for number in range(300)]
        for number, caller in enumerate(callers):
            if number % 3 == 1:
                caller.cancel()
            if number % 7 == 0:
                await asyncio.sleep(0)
        await asyncio.wait(callers)
        stayed = {n: caller.result() for n, caller in enumerate(callers) if not caller.cancelled()}
        assert len(stayed) >= 200
        assert all(computed.tensors[0] == [[n]] for n, computed in stayed.items())

    model = Model()
    model.may_end.set()
    conversation(model, ask, instances=2)


def test_callers_learn_how_long_they_waited_and_in_what_company() -> None:
    async def ask(engine: Engine) -> list[Computed]:
        callers = await running(engine, model)
        callers += [asyncio.create_task(engine.compute(work())) for _ in range(2)]
        await asyncio.sleep(0)
        model.may_end.set()
        return await asyncio.gather(*callers)

    model = Model()
    first, second, third = conversation(model, ask)
    assert [each.batch_rows for each in (first, second, third)] == [1, 2, 2]
    assert second.compute_seconds == third.compute_seconds > 0
    assert 0 <= third.queue_seconds <= second.queue_seconds


def test_a_thread_that_hangs_does_not_hold_the_loop_that_closes() -> None:
    async def leave() -> Engine:
        queue = BatchQueue(Forming(Batching(max_rows=1)))
        engine = Engine("'m'", model, queue, asyncio.get_running_loop(), 1)
        engine.start()
        (caller,) = await running(engine, model)
        caller.cancel()
        return engine

    model = Model()
    engine = asyncio.run(leave())
    stopping = Thread(target=engine.stop, args=(SECONDS,))
    stopping.start()
    model.may_end.set()
    stopping.join(SECONDS)
    assert not stopping.is_alive()
