"""Answers that are kept for who asks the same again."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic
from typing import Protocol

import numpy as np

from .codec import Codec
from .pipeline import CacheUse, Computed, Stage, Tensors
from .signature import Reuse, Work

__all__ = ["CacheStage", "KeepingStage", "MemoryStore", "Store", "size_in_memory"]

_ENTRY_BYTES = 600
"""What an entry takes besides its tensors: its key, its place, its times."""
_TENSOR_BYTES = 240
"""What an array takes besides its elements."""
_ELEMENT_BYTES = 48
"""What an element of BYTES takes besides its bytes."""


class Store(Protocol):
    """Where answers are kept. No method ever raises, or takes long.

    Attributes:
        shared: whether other processes use it too, and it outlives them.
    """

    shared: bool

    async def get(self, key: bytes) -> Tensors | None:
        """Return what was put there, as long as it is there."""

    async def put(self, key: bytes, tensors: Tensors, seconds: float) -> None:
        """Keep tensors for so many seconds at most."""

    async def close(self) -> None:
        """End all use of it."""


class CacheStage:
    """A stage that answers with what is kept, and otherwise passes work on.

    Args:
        stage: computes.
        store: what is kept.
        used: hears of each request, what the cache was to it.
    """

    def __init__(self, stage: Stage, store: Store, used: Callable[[CacheUse], None]) -> None:
        self._stage = stage
        self._store = store
        self._used = used

    async def __call__(self, work: Work) -> Computed:
        """Return the outputs of `work`."""
        if work.key is None:  # of no caller: the warm-up
            return await self._stage(work)
        use: CacheUse = "bypass"
        if work.reuse is Reuse.ALLOWED:
            tensors = await self._store.get(work.key)
            if tensors is not None:
                self._used("hit")
                return Computed(tensors, 0.0, 0.0, 0, source="cache", cache="hit")
            use = "miss"
        self._used(use)
        return replace(await self._stage(work), cache=use)


class KeepingStage:
    """A stage that keeps what was computed. What failed is not.

    It is behind the coalescing one: an execution is kept once, whoever still waits for it.

    Args:
        stage: computes.
        store: where to keep it.
        seconds: for how long.
    """

    def __init__(self, stage: Stage, store: Store, seconds: float) -> None:
        self._stage = stage
        self._store = store
        self._seconds = seconds

    async def __call__(self, work: Work) -> Computed:
        """Return the outputs of `work`."""
        computed = await self._stage(work)
        if work.key is not None and work.reuse is not Reuse.NO_STORE:
            await self._store.put(work.key, computed.tensors, self._seconds)
        return computed


@dataclass(frozen=True, slots=True)
class _Entry:
    tensors: Tensors
    size: int
    expires: float


class MemoryStore:
    """Keeps the answers that were asked for last, up to a limit of bytes.

    Args:
        limit: in bytes, of all there is.
        codec: copies what is large.
        clock: tells seconds.
    """

    shared = False

    def __init__(self, limit: int, codec: Codec, clock: Callable[[], float] = monotonic) -> None:
        self.size = 0
        self._limit = limit
        self._codec = codec
        self._clock = clock
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()

    async def get(self, key: bytes) -> Tensors | None:
        """Return what was put there, as long as it is there."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if self._clock() >= entry.expires:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry.tensors

    async def put(self, key: bytes, tensors: Tensors, seconds: float) -> None:
        """Keep copies: what was computed in a batch is a part of it, and would keep it all."""
        size = size_in_memory(tensors)
        if size > self._limit:
            self._drop(key)
            return
        copies = await self._codec.run(size, partial(_copied, tensors))
        self._drop(key)
        while self.size + size > self._limit:
            self._drop(next(iter(self._entries)))
        self._entries[key] = _Entry(copies, size, self._clock() + seconds)
        self.size += size

    async def close(self) -> None:
        """Keep nothing any more."""
        self._entries.clear()
        self.size = 0

    def _drop(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.size -= entry.size


def size_in_memory(tensors: Tensors) -> int:
    """Return the bytes that an entry with these tensors takes."""
    return _ENTRY_BYTES + sum(map(_array_size, tensors))


def _array_size(array: np.ndarray) -> int:
    elements = 0
    if array.dtype.kind == "O":
        elements = _ELEMENT_BYTES * array.size + sum(map(len, array.flat))
    return _TENSOR_BYTES + array.nbytes + elements


def _copied(tensors: Tensors) -> Tensors:
    copies = [array.copy() for array in tensors]
    for copy in copies:
        copy.setflags(write=False)  # everybody who hits gets the same
    return copies
