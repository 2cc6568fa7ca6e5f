"""What is kept, for how long, and how much of it."""

import asyncio
import random
import tracemalloc
from collections.abc import Coroutine
from typing import Any

import numpy as np
import pytest

from ..cache import CacheStage, KeepingStage, MemoryStore, size_in_memory
from ..codec import Codec
from ..errors import ComputeFailed
from ..metrics import Reuses
from ..pipeline import Computed
from ..signature import Reuse, Work

ONE = np.array([1.0], "<f4")


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Tell seconds."""
        return self.now


class Model:
    """Computes the number of the execution; fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.executions = 0
        self._failures = failures

    async def __call__(self, _work: Work) -> Computed:
        """Compute: a stage."""
        self.executions += 1
        if self.executions <= self._failures:
            raise ComputeFailed("no")
        return Computed([np.array([self.executions])], 0.0, 0.0, 1)


def cached(model: Model, reuses: Reuses | None = None, limit: int = 10**6) -> CacheStage:
    reuses = reuses or Reuses()
    reuses.caches()
    store = MemoryStore(limit, Codec())
    return CacheStage(KeepingStage(model, store, 60.0), store, reuses.used)


def work(key: bytes | None = b"key", reuse: Reuse = Reuse.ALLOWED) -> Work:
    return Work({}, ("y",), key, reuse)


def answers(stage: CacheStage, *works: Work) -> list[int]:
    async def ask() -> list[int]:
        return [int((await stage(one)).tensors[0][0]) for one in works]

    return asyncio.run(ask())


def test_the_same_again_is_answered_from_the_cache() -> None:
    assert answers(cached(Model()), work(), work(b"other"), work(), work(b"other")) == [1, 2, 1, 2]


def test_who_wants_no_cached_answer_has_it_replaced() -> None:
    fresh = work(reuse=Reuse.NO_CACHE)
    assert answers(cached(Model()), work(), fresh, work()) == [1, 2, 2]


def test_what_is_not_to_be_stored_is_not() -> None:
    secret = work(reuse=Reuse.NO_STORE)
    assert answers(cached(Model()), secret, work(), secret, work()) == [1, 2, 3, 2]


def test_the_warm_up_is_neither_kept_nor_counted() -> None:
    reuses = Reuses()
    assert answers(cached(Model(), reuses), work(None), work(None)) == [1, 2]
    assert reuses.cache == {"hit": 0, "miss": 0, "bypass": 0}


def test_an_error_is_not_kept() -> None:
    stage = cached(Model(failures=1))
    with pytest.raises(ComputeFailed):
        answers(stage, work())
    assert answers(stage, work(), work()) == [2, 2]


def test_each_request_counts_once_whatever_becomes_of_it() -> None:
    reuses = Reuses()
    stage = cached(Model(failures=1), reuses)
    with pytest.raises(ComputeFailed):
        answers(stage, work())
    answers(stage, work(), work(), work(), work(reuse=Reuse.NO_CACHE), work(reuse=Reuse.NO_STORE))
    assert reuses.cache == {"hit": 2, "miss": 2, "bypass": 2}


def test_a_hit_says_so_and_took_no_time_of_the_engine() -> None:
    stage = cached(Model())

    async def ask() -> tuple[Computed, Computed]:
        return await stage(work()), await stage(work())

    miss, hit = asyncio.run(ask())
    assert (miss.source, miss.cache, hit.source, hit.cache) == ("engine", "miss", "cache", "hit")


# Where they are kept.


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


def test_an_answer_is_kept_until_its_time_is_over() -> None:
    clock = Clock()
    store = MemoryStore(10**6, Codec(), clock)
    run(store.put(b"key", [ONE], 60.0))
    clock.now = 59.9
    assert run(store.get(b"key")) is not None
    clock.now = 60.0
    assert run(store.get(b"key")) is None
    assert store.size == 0


def test_what_was_not_asked_for_longest_goes_first() -> None:
    store = MemoryStore(2 * size_in_memory([ONE]), Codec())
    for key in (b"1", b"2"):
        run(store.put(key, [ONE], 60.0))
    run(store.get(b"1"))
    run(store.put(b"3", [ONE], 60.0))
    assert [run(store.get(key)) is None for key in (b"1", b"2", b"3")] == [False, True, False]


def test_a_copy_is_kept_that_nobody_can_change() -> None:
    batch = np.arange(1000.0)
    store = MemoryStore(10**6, Codec())
    run(store.put(b"key", [batch[:2]], 60.0))
    batch[0] = 7.0
    (kept,) = run(store.get(b"key"))
    assert (kept.tolist(), kept.base, kept.flags.writeable) == ([0.0, 1.0], None, False)


def test_what_is_larger_than_all_room_is_not_kept_nor_what_it_replaces() -> None:
    store = MemoryStore(2000, Codec())
    run(store.put(b"key", [ONE], 60.0))
    run(store.put(b"key", [np.zeros(2000, "u1")], 60.0))
    assert (run(store.get(b"key")), store.size) == (None, 0)


def test_the_bound_holds_after_each_step_and_is_used() -> None:
    store, sizes = MemoryStore(20_000, Codec()), random.Random(5)

    async def fill() -> list[int]:
        found = []
        for _ in range(2000):
            size = sizes.randrange(8000)
            await store.put(b"%d" % sizes.randrange(20), [np.zeros(size, "u1")], 60.0)
            found.append(store.size)
        return found

    filled = run(fill())
    assert max(filled) <= 20_000
    assert sum(filled) / len(filled) > 12_000


@pytest.mark.parametrize(
    "tensors",
    [
        [np.zeros(1, "<f4")],
        [np.zeros((4, 4), "<f4"), np.zeros(1000, "u1")],
        [np.array([b"%d" % number for number in range(40)], object)],
    ],
)
def test_no_more_memory_is_taken_than_is_accounted_for(tensors: list[np.ndarray]) -> None:
    limit = 2 * 10**6
    store = MemoryStore(limit, Codec())

    async def fill() -> int:
        tracemalloc.start()
        for number in range(6000):
            fresh = [_fresh(tensor) for tensor in tensors]
            await store.put(b"%032d" % number, fresh, 60.0)
        return tracemalloc.get_traced_memory()[0]

    try:
        assert 0.3 * limit < run(fill()) < limit
    finally:
        tracemalloc.stop()


def _fresh(tensor: np.ndarray) -> np.ndarray:
    """Elements of its own, as each answer has."""
    if tensor.dtype.kind != "O":
        return tensor.copy()
    return np.array([bytes(bytearray(element)) for element in tensor], object)
