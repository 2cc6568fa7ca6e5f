"""Threads that compute, and callers that wait on a loop."""

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from threading import Barrier, Event
from typing import TypeVar

import numpy as np
import pytest

from ..batching import BatchQueue, Forming
from ..coalescing import CoalescingStage
from ..engine import Engine
from ..errors import ComputeFailed, InvalidRequest, Overloaded, QueueTimeout, ServingError
from ..merging import Merger
from ..model_file import Batching, Queueing
from ..pipeline import Computed, Outcome, Run, Tensors
from ..signature import Work

SECONDS = 5.0
UNBOUNDED = Queueing()
Result = TypeVar("Result")


def work(number: int) -> Work:
    """Work that is known by a number."""
    return Work({"x": np.array([number])}, ("y",))


def number_of(asked: Work) -> int:
    """The number by which work is known."""
    return int(asked.tensors["x"][0])


def double(asked: Work) -> Tensors:
    """Compute; 13 is too much."""
    if number_of(asked) == 13:
        raise RuntimeError("/build/engine.cc:13 secret")
    if number_of(asked) == 14:
        raise InvalidRequest("14 does not suit the runtime")
    return [asked.tensors["x"] * 2]


def engine_of(run: Run, instances: int = 1, queueing: Queueing = UNBOUNDED) -> Engine:
    """An engine that does not batch."""
    queue = BatchQueue(Forming(Batching(max_rows=1), queueing))
    return Engine("'m'", Merger("'m'", run, None), queue, asyncio.get_running_loop(), instances)


def with_engine(
    run: Run,
    ask: Callable[[Engine], Awaitable[Result]],
    instances: int = 1,
    queueing: Queueing = UNBOUNDED,
) -> Result:
    """Run a conversation with an engine, within bounds."""

    async def conversation() -> Result:
        engine = engine_of(run, instances, queueing)
        engine.start()
        try:
            return await asyncio.wait_for(ask(engine), SECONDS)
        finally:
            await asyncio.to_thread(engine.stop, SECONDS)

    return asyncio.run(conversation())


def test_every_caller_gets_the_outcome_of_its_own_work() -> None:
    async def ask(engine: Engine) -> list[Computed]:
        return await asyncio.gather(*(engine.compute(work(number)) for number in range(10)))

    found = [int(computed.tensors[0][0]) for computed in with_engine(double, ask)]
    assert found == [*range(0, 20, 2)]


def test_who_comes_before_another_is_answered_is_company() -> None:
    forming = Forming(Batching(max_rows=8, max_delay_ms=1000.0))
    forming.expects_company = False
    seen = list[bool]()

    async def ask() -> Sequence[Computed]:
        loop = asyncio.get_running_loop()
        engine = Engine(
            "'m'", Merger("'m'", double, forming.batching), BatchQueue(forming), loop, 1
        )
        callers = list[asyncio.Task[Computed]]()
        for number in range(8):
            callers.append(asyncio.create_task(engine.compute(work(number))))
            await asyncio.sleep(0)
            seen.append(forming.expects_company)
        engine.start()
        try:
            return await asyncio.wait_for(asyncio.gather(*callers), SECONDS)
        finally:
            await asyncio.to_thread(engine.stop, SECONDS)

    assert [computed.batch_rows for computed in asyncio.run(ask())] == [8] * 8
    assert seen == [False] + [True] * 7


def test_work_that_raises_fails_alone() -> None:
    async def ask(engine: Engine) -> list[Computed | BaseException]:
        asked = (engine.compute(work(number)) for number in (1, 13, 2))
        return await asyncio.gather(*asked, return_exceptions=True)

    one, thirteen, two = with_engine(double, ask)
    assert isinstance(one, Computed)
    assert isinstance(two, Computed)
    assert isinstance(thirteen, ComputeFailed)
    assert "engine.cc" not in str(thirteen)


def test_what_the_runtime_cannot_take_is_the_callers_error() -> None:
    with pytest.raises(InvalidRequest, match="14"):
        with_engine(double, lambda engine: engine.compute(work(14)))


def test_work_of_a_caller_who_left_never_runs() -> None:
    seen, first_runs, may_end = list[int](), Event(), Event()

    def run(asked: Work) -> Tensors:
        seen.append(number_of(asked))
        first_runs.set()
        may_end.wait(SECONDS)
        return []

    async def ask(engine: Engine) -> None:
        callers = [asyncio.create_task(engine.compute(work(number))) for number in range(3)]
        await asyncio.to_thread(first_runs.wait, SECONDS)
        callers[1].cancel()
        await asyncio.wait({callers[1]})
        may_end.set()
        await asyncio.gather(callers[0], callers[2])

    with_engine(run, ask)
    assert seen == [0, 2]


@pytest.mark.parametrize(
    ("queueing", "error"),
    [(Queueing(timeout_ms=20), QueueTimeout), (Queueing(max_size=1), Overloaded)],
)
def test_who_would_wait_too_long_is_refused_while_the_engine_is_busy(
    queueing: Queueing, error: type[ServingError]
) -> None:
    first_runs, may_end = Event(), Event()

    def run(_asked: Work) -> Tensors:
        first_runs.set()
        may_end.wait(SECONDS)
        return []

    async def ask(engine: Engine) -> None:
        callers = [asyncio.create_task(engine.compute(work(0)))]
        await asyncio.to_thread(first_runs.wait, SECONDS)
        callers += [asyncio.create_task(engine.compute(work(number))) for number in (1, 2)]
        with pytest.raises(error):
            await callers[-1]
        may_end.set()
        first, *_ = await asyncio.gather(*callers, return_exceptions=True)
        assert isinstance(first, Computed)

    with_engine(run, ask, queueing=queueing)


def test_a_caller_who_is_more_urgent_lifts_what_waits_for_several() -> None:
    seen, first_runs, may_end = list[int](), Event(), Event()

    def run(asked: Work) -> Tensors:
        seen.append(number_of(asked))
        first_runs.set()
        may_end.wait(SECONDS)
        return []

    async def ask(engine: Engine) -> None:
        stage = CoalescingStage(engine.compute, lambda: None, engine.reorder)
        callers = [asyncio.create_task(stage(work(0)))]
        await asyncio.to_thread(first_runs.wait, SECONDS)
        for number, priority in ((1, 2), (2, 2), (3, 3), (4, 1), (3, 1), (2, 3), (5, 1)):
            asked = replace(work(number), key=b"%d" % number, priority=priority)
            callers.append(asyncio.create_task(stage(asked)))
        for _ in range(5):
            await asyncio.sleep(0)  # all are queued
        may_end.set()
        await asyncio.gather(*callers)

    with_engine(run, ask)
    assert seen == [0, 3, 4, 5, 1, 2]


def test_a_batch_is_ended_when_the_last_of_its_callers_leaves_and_not_before() -> None:
    first_runs, two_wait, two_run, ended = Event(), Event(), Event(), Event()

    def execute(works: Sequence[Work]) -> Sequence[Outcome]:
        (two_run if len(works) == 2 else first_runs).set()
        (ended if len(works) == 2 else two_wait).wait(SECONDS)
        return [[] for _ in works]

    async def ask() -> list[bool]:
        queue, loop = BatchQueue(Forming(Batching(max_rows=2))), asyncio.get_running_loop()
        engine = Engine("'m'", execute, queue, loop, 1, begin=lambda: ended.set)
        engine.start()
        first = asyncio.create_task(engine.compute(work(0)))
        await asyncio.to_thread(first_runs.wait, SECONDS)
        callers = [asyncio.create_task(engine.compute(work(number))) for number in (1, 2)]
        await asyncio.sleep(0)  # both are queued
        two_wait.set()
        await asyncio.to_thread(two_run.wait, SECONDS)
        found = [await _is_set_after_leaving(caller, ended) for caller in callers]
        await asyncio.gather(first, asyncio.to_thread(engine.stop, SECONDS))
        return found

    assert asyncio.run(ask()) == [False, True]


async def _is_set_after_leaving(caller: "asyncio.Task[Computed]", ended: Event) -> bool:
    caller.cancel()
    await asyncio.wait({caller})
    return ended.is_set()


def test_instances_compute_at_the_same_time() -> None:
    meeting = Barrier(2)

    def run(_asked: Work) -> Tensors:
        meeting.wait(SECONDS)
        return []

    async def ask(engine: Engine) -> list[Computed]:
        return await asyncio.gather(*(engine.compute(work(number)) for number in range(2)))

    assert len(with_engine(run, ask, instances=2)) == 2


def test_an_idle_engine_holds_nothing_of_the_last_work() -> None:
    async def ask(engine: Engine) -> None:
        loop, freed = asyncio.get_running_loop(), asyncio.Event()
        (result,) = (await engine.compute(work(1))).tensors
        weakref.finalize(result, loop.call_soon_threadsafe, freed.set)
        del result
        await freed.wait()

    with_engine(double, ask)


def test_a_result_that_comes_after_the_end_of_the_loop_is_dropped() -> None:
    runs, may_end = Event(), Event()

    def run(_asked: Work) -> Tensors:
        runs.set()
        may_end.wait(SECONDS)
        return []

    async def leave() -> Engine:
        engine = engine_of(run)
        engine.start()
        caller = asyncio.create_task(engine.compute(work(1)))
        await asyncio.to_thread(runs.wait, SECONDS)
        caller.cancel()
        return engine

    engine = asyncio.run(leave())
    may_end.set()
    engine.stop(SECONDS)  # a thread that raised would be a warning, which fails the test


def test_a_result_does_not_wait_for_slow_work_behind_it() -> None:
    slow_may_end = Event()

    def run(asked: Work) -> Tensors:
        if number_of(asked) == 1:
            slow_may_end.wait(SECONDS)
        return []

    async def ask(engine: Engine) -> None:
        quick = asyncio.create_task(engine.compute(work(0)))
        slow = asyncio.create_task(engine.compute(work(1)))
        await quick
        slow_may_end.set()
        await slow

    with_engine(run, ask)
