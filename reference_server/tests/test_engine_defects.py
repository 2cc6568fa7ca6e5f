"""Defects around engines are switched on and off while these run."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar, cast

import numpy as np
import pytest

from ..batching import BatchQueue, Forming, Group, Ticket
from ..defects import Defect, DefectSwitch, Running, known_defects
from ..engine import Engine
from ..errors import ComputeFailed
from ..model_file import Batching
from ..pipeline import Outcome
from ..signature import Work

SECONDS = 5.0
Result = TypeVar("Result")
WORK = Work({"x": np.ones((1, 1))}, ("y",))


def tenfold(works: Sequence[Work], run: Running) -> Sequence[Outcome]:
    return [[10 * x for x in outcome] for outcome in cast(Sequence[Any], run(works))]


class OneByOne(Forming):
    """Never lets two run together."""

    def take(self, group: Group) -> list[Ticket]:
        """Takes the oldest."""
        return [group.pop()]


@pytest.fixture(autouse=True)
def defects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two defects more than there are."""
    registry = cast(dict[str, Any], known_defects())
    monkeypatch.setitem(registry, "tenfold", Defect("tenfold", (), engine=tenfold))
    monkeypatch.setitem(registry, "one-by-one", Defect("one-by-one", (), batching=OneByOne))


def sound(works: Sequence[Work]) -> Sequence[Outcome]:
    """Give back what came in."""
    return [[work.tensors["x"]] for work in works]


def with_engine(
    model: str, ask: Callable[[Engine, DefectSwitch], Awaitable[Result]], instances: int = 1
) -> Result:
    """Run a conversation with an engine of this model that can misbehave, within bounds."""

    async def conversation() -> Result:
        switch, queue = DefectSwitch(), BatchQueue(Forming(Batching(max_rows=8)))
        switch.wrap_queue(queue)
        execute = switch.wrap_engine(model, "1", sound)
        engine = Engine("'m'", execute, queue, asyncio.get_running_loop(), instances)
        engine.start()
        try:
            return await asyncio.wait_for(ask(engine, switch), SECONDS)
        finally:
            switch.activate([])
            await asyncio.to_thread(engine.stop, SECONDS)

    return asyncio.run(conversation())


async def value(engine: Engine) -> float:
    """What the model makes of a 1."""
    return float((await engine.compute(WORK)).tensors[0][0, 0])


def test_an_engine_defect_is_there_from_the_next_batch_until_it_is_switched_off() -> None:
    async def ask(engine: Engine, switch: DefectSwitch) -> list[float]:
        values = [await value(engine)]
        for names in (["tenfold"], []):
            switch.activate(names)
            values.append(await value(engine))
        return values

    assert with_engine("any", ask) == [1, 10, 1]


def test_a_batching_defect_changes_how_batches_are_formed() -> None:
    queue = BatchQueue(Forming(Batching(max_rows=8)))
    switch, loop = DefectSwitch(), asyncio.new_event_loop()
    switch.wrap_queue(queue)
    sizes = list[int]()
    for names in (["one-by-one"], []):
        switch.activate(names)
        for _ in range(4):
            queue.put(WORK, loop.create_future())
        sizes.append(len(queue.take()))
    loop.close()
    assert sizes == [1, 7]


def test_the_engine_of_the_witness_dies_once_each_time_it_is_asked_to() -> None:
    async def ask(engine: Engine, switch: DefectSwitch) -> None:
        for _ in range(2):
            switch.activate(["engine-dies"])
            with pytest.raises(ComputeFailed):
                await value(engine)
            assert await value(engine) == 1

    with_engine("witness", ask)


def test_the_engine_of_the_witness_hangs_until_it_is_mended() -> None:
    async def ask(engine: Engine, switch: DefectSwitch) -> float:
        switch.activate(["engine-hangs"])
        caller = asyncio.create_task(value(engine))
        while engine.state(0.0, 0.0).name != "STUCK":
            await asyncio.wait({caller}, timeout=0.01)
        assert not caller.done()
        switch.activate([])
        return await caller

    assert with_engine("witness", ask) == 1


@pytest.mark.parametrize("defect", ["engine-dies", "engine-hangs"])
def test_the_engines_of_other_models_are_left_alone(defect: str) -> None:
    async def ask(engine: Engine, switch: DefectSwitch) -> float:
        switch.activate([defect])
        return await value(engine)

    assert with_engine("add_sub", ask) == 1
