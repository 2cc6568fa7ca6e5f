"""Identical work at the same time: one execution, whoever stays or leaves."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import numpy as np
import pytest

from ..coalescing import CoalescingStage
from ..errors import ComputeFailed
from ..pipeline import Computed
from ..signature import Reuse, Work


class Model:
    """Computes when it is let; tells what began and what was cancelled."""

    def __init__(self) -> None:
        self.begun = 0
        self.cancelled = 0
        self.outcome: asyncio.Future[Computed] = asyncio.get_running_loop().create_future()

    async def __call__(self, _work: Work) -> Computed:
        """Compute: a stage."""
        self.begun += 1
        try:
            return await asyncio.shield(self.outcome)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    def finish(self) -> None:
        """Answer all who wait, and who ask from now on."""
        self.outcome.set_result(Computed([np.array([1.0])], 0.0, 0.0, 1))


SAME = Work({}, ("y",), b"key")
Scene = Callable[[Model, CoalescingStage, list[None]], Awaitable[None]]


def play(scene: Scene) -> list[None]:
    """Run a scene; return who joined."""
    joined: list[None] = []

    async def begin() -> None:
        model = Model()
        stage = CoalescingStage(model, lambda: joined.append(None), lambda: None)
        await scene(model, stage, joined)
        assert not stage.flights

    asyncio.run(begin())
    return joined


async def asked(stage: CoalescingStage, *works: Work) -> "list[asyncio.Task[Computed]]":
    """Ask, and let everybody come as far as they can."""
    tasks = [asyncio.ensure_future(stage(work)) for work in works]
    await settle()
    return tasks


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_hundred_callers_share_one_execution() -> None:
    async def scene(model: Model, stage: CoalescingStage, joined: list[None]) -> None:
        tasks = await asked(stage, *[SAME] * 100)
        model.finish()
        sources = [computed.source for computed in await asyncio.gather(*tasks)]
        assert (model.begun, sources) == (1, ["engine"] + ["flight"] * 99)

    assert len(play(scene)) == 99


@pytest.mark.parametrize(
    "other",
    [
        Work({}, ("y",), b"other"),
        Work({}, ("y",), b"key", Reuse.NO_CACHE),
        Work({}, ("y",), b"key", Reuse.NO_STORE),
        Work({}, ("y",)),
    ],
)
def test_others_run_by_themselves(other: Work) -> None:
    async def scene(model: Model, stage: CoalescingStage, joined: list[None]) -> None:
        tasks = await asked(stage, SAME, other, other)
        model.finish()
        await asyncio.gather(*tasks)
        assert model.begun == (2 if other.key == b"other" else 3)

    play(scene)


def test_the_first_caller_may_leave() -> None:
    async def scene(model: Model, stage: CoalescingStage, joined: list[None]) -> None:
        leader, *followers = await asked(stage, *[SAME] * 3)
        leader.cancel()
        await settle()
        model.finish()
        assert len(await asyncio.gather(*followers)) == 2
        assert (model.begun, model.cancelled) == (1, 0)

    play(scene)


def test_the_execution_ends_when_the_last_caller_leaves_and_not_before() -> None:
    async def scene(model: Model, stage: CoalescingStage, joined: list[None]) -> None:
        *others, last = await asked(stage, *[SAME] * 3)
        for task in others:
            task.cancel()
        await settle()
        assert model.cancelled == 0
        last.cancel()
        await settle()
        assert model.cancelled == 1

    play(scene)


def test_who_asks_after_all_have_left_begins_anew() -> None:
    async def scene(model: Model, stage: CoalescingStage, joined: list[None]) -> None:
        (first,) = await asked(stage, SAME)
        first.cancel()
        second = asyncio.ensure_future(stage(SAME))  # before the first execution knows
        await settle()
        model.finish()
        assert ((await second).source, model.begun, model.cancelled) == ("engine", 2, 1)

    assert play(scene) == []


def test_an_error_is_for_those_who_wait_and_not_for_those_who_come() -> None:
    async def scene(model: Model, stage: CoalescingStage, joined: list[None]) -> None:
        tasks = await asked(stage, SAME, SAME)
        model.outcome.set_exception(ComputeFailed("no"))
        await asyncio.wait(tasks)
        assert [type(task.exception()) for task in tasks] == [ComputeFailed] * 2
        model.outcome = asyncio.get_running_loop().create_future()
        model.finish()
        assert (await stage(SAME)).source == "engine"

    assert len(play(scene)) == 1


def test_who_comes_when_the_outcome_is_known_begins_anew() -> None:
    async def scene(model: Model, stage: CoalescingStage, joined: list[None]) -> None:
        (first,) = await asked(stage, SAME)
        first.add_done_callback(lambda _: later.append(asyncio.ensure_future(stage(SAME))))
        later: list[asyncio.Future[Computed]] = []
        model.finish()
        await first
        await settle()
        assert ((await later[0]).source, model.begun) == ("engine", 2)

    assert play(scene) == []


def test_whoever_stays_is_answered_however_many_leave() -> None:
    chance = random.Random(5)

    async def model(work: Work) -> Computed:
        for _ in range(chance.randrange(6)):
            await asyncio.sleep(0)
        if chance.random() < 0.2:
            raise ComputeFailed("no")
        return Computed([np.array([int(work.key or b"")])], 0.0, 0.0, 1)

    async def scene() -> None:
        stage = CoalescingStage(model, lambda: None, lambda: None)
        callers, left = [], set[asyncio.Future[Computed]]()
        for number in range(3000):
            key = number % 7
            caller = asyncio.ensure_future(stage(Work({}, ("y",), b"%d" % key)))
            callers.append((key, caller))
            if chance.random() < 0.5:
                leaving = chance.choice(callers)[1]
                left |= {leaving} if leaving.cancel() else set()
            if chance.random() < 0.3:
                await asyncio.sleep(0)
        await asyncio.wait([caller for _, caller in callers], timeout=10)
        stayed = [(key, caller) for key, caller in callers if caller not in left]
        assert all(outcome(caller) in (key, "failed") for key, caller in stayed)
        assert not stage.flights

    asyncio.run(scene())


def outcome(caller: "asyncio.Future[Computed]") -> object:
    """What a caller was told: a number, or an error."""
    return "failed" if caller.exception() else int(caller.result().tensors[0][0])
