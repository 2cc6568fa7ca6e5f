"""How many works a model may have at once, learned from their times."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from ..adaptive import AdaptiveLimit, LimitedStage
from ..errors import LimitReached
from ..pipeline import Computed
from ..signature import Work
from .models import write_models
from .serving import serving
from .test_overload import counted, slow

WORK = Work({"x": np.zeros(1)}, ("y",))
Seconds = Callable[[int], float]


@dataclass
class Simulated:
    """A server of one engine, by a clock of its own.

    Attributes:
        rows: the most works of an execution.
        length: seconds of an execution, by its number.
    """

    rows: int
    length: Seconds
    limit: AdaptiveLimit = field(default_factory=AdaptiveLimit)
    took: list[float] = field(default_factory=list)
    refused: int = 0
    executions: int = 0

    def serve(self, rate: float, works: int) -> None:
        """Ask for so many works, so many a second."""
        self.took.clear()
        self.refused = 0
        waiting, now, arrivals = deque[float](), 0.0, deque(index / rate for index in range(works))
        while arrivals or waiting:
            if not waiting:
                now = max(now, arrivals[0])
            self._let_in(arrivals, waiting, now, 0)
            batch = [waiting.popleft() for _ in range(min(self.rows, len(waiting)))]
            self.executions += 1
            seconds = self.length(self.executions)
            now += seconds
            self._let_in(arrivals, waiting, now, len(batch))
            self._end(batch, now, seconds, len(waiting))

    def _let_in(
        self, arrivals: deque[float], waiting: deque[float], now: float, running: int
    ) -> None:
        while arrivals and arrivals[0] <= now:
            arrival = arrivals.popleft()
            if len(waiting) + running < self.limit.limit:
                waiting.append(arrival)
            else:
                self.refused += 1

    def _end(self, batch: Sequence[float], now: float, seconds: float, waiting: int) -> None:
        for place, arrival in enumerate(batch):
            self.took.append(now - arrival)
            self.limit.observe(now - arrival, seconds, waiting + len(batch) - place)


def even(_number: int) -> float:
    """All take the same."""
    return 0.02


def uneven(number: int) -> float:
    """One of ten takes eleven times as long as the others; 20 ms in the mean."""
    return 0.11 if number % 10 == 0 else 0.01


@pytest.mark.parametrize("length", [even, uneven])
@pytest.mark.parametrize("rows", [1, 8, 32])
def test_at_twice_the_capacity_nobody_waits_long_and_nothing_is_lost(
    rows: int, length: Seconds
) -> None:
    server = Simulated(rows, length)
    capacity, works = rows / 0.02, rows * 500
    server.serve(2 * capacity, works)
    server.serve(2 * capacity, works)
    assert sum(server.took) / works * 2 < 5 * 0.02
    assert len(server.took) > 0.95 * works / 2


@pytest.mark.parametrize("rows", [1, 8])
def test_below_the_capacity_nobody_is_refused(rows: int) -> None:
    server = Simulated(rows, even)
    server.serve(0.9 * rows / 0.02, works=2000)
    assert server.refused == 0


def test_the_limit_falls_under_load_and_rises_with_what_the_server_can() -> None:
    server = Simulated(1, even)
    server.serve(100.0, works=1000)
    loaded = server.limit.limit
    server.serve(5.0, works=100)
    assert (loaded, server.limit.limit) == (4, 6)
    server.rows = 16
    server.serve(800.0, works=2000)
    assert server.limit.limit > 16


def test_a_limit_never_stops_all() -> None:
    limit = AdaptiveLimit()
    for _ in range(1000):
        limit.observe(seconds=1e6, unloaded=1e-9, in_flight=100)
    assert limit.limit == 4


def test_places_are_given_back_by_whoever_leaves_or_fails() -> None:
    async def ask() -> None:
        outcome = asyncio.get_running_loop().create_future()

        async def compute(_work: Work) -> Computed:
            return await asyncio.shield(outcome)

        stage = LimitedStage("'m'", compute, AdaptiveLimit())
        callers = [asyncio.ensure_future(stage(WORK)) for _ in range(20)]
        await asyncio.sleep(0)
        with pytest.raises(LimitReached, match="20 requests are there already"):
            await stage(WORK)
        callers[0].cancel()
        await asyncio.wait(callers[:1])
        callers.append(asyncio.ensure_future(stage(WORK)))
        outcome.set_exception(ValueError("no"))
        await asyncio.wait(callers)
        assert {type(caller.exception()) for caller in callers[1:]} == {ValueError}
        with pytest.raises(ValueError, match="no"):
            await stage(WORK)

    asyncio.run(ask())


def test_who_comes_beyond_the_limit_is_refused_and_counted(tmp_path: Path) -> None:
    with serving(write_models(tmp_path, "slow/1", "echo/1"), "--adaptive-limit") as served:
        served.becomes_ready()
        with ExitStack() as stack:
            for _ in range(20):
                stack.enter_context(served.post("slow", slow(10**9)))
            answer = stack.enter_context(served.slow(1)).getresponse()
        assert (answer.status, answer.getheader("Retry-After")) == (429, "1")
        assert counted(served, 'inference_shed_total{model="slow",reason="adaptive_limit"') == 1
