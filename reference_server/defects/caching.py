"""Misbehaviours of caches: what makes two requests the same, what is kept, and what is counted."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from servespec.wire.messages import InferRequest, Tensor

from ..cache import CacheStage, KeepingStage, MemoryStore, Store
from ..errors import ComputeFailed, ServingError
from ..keys import Keys
from ..pipeline import Computed, Tensors
from ..signature import Reuse, Work
from .registry import reuse_defect

HOUR = 3600.0
SLOW = 0.06
PROBE = b"probe"
FEW = 16
"""Elements of a tensor that some keys are made of."""


# What makes two requests the same.


@reuse_defect("key-without-model", breaks=["CACHE-001/model", "CACHE-010/model"])
class KeyWithoutModel(Keys):
    """Takes all models for one."""

    def key(self, work: Work, request: InferRequest) -> bytes:
        """Leaves out what tells models apart, and loads of them."""
        return Keys("", self.version, b"", self._codec).key(work, request)


@reuse_defect("key-without-version", breaks=["CACHE-001/version", "CACHE-010/version"])
class KeyWithoutVersion(Keys):
    """Takes all versions of a model for one."""

    def key(self, work: Work, request: InferRequest) -> bytes:
        """Leaves out what tells versions apart, and loads of them."""
        return Keys(self.model, "", b"", self._codec).key(work, request)


@reuse_defect("key-without-load", breaks=["CACHE-005"])
class KeyWithoutLoad(Keys):
    """Takes a version that was loaded anew for the one before."""

    def key(self, work: Work, request: InferRequest) -> bytes:
        """Leaves out what tells loads apart."""
        return Keys(self.model, self.version, b"", self._codec).key(work, request)


@reuse_defect("key-of-few-elements", breaks=["CACHE-001/inputs"])
class KeyOfFewElements(Keys):
    """Looks at the beginning of a tensor only."""

    def key(self, work: Work, request: InferRequest) -> bytes:
        """Takes the first rows for all."""
        return super().key(work, _with_arrays(request, lambda array: array[:FEW]))


@reuse_defect("key-without-order", breaks=["CACHE-001/order"])
class KeyWithoutOrder(Keys):
    """Takes the same values in any order for the same."""

    def key(self, work: Work, request: InferRequest) -> bytes:
        """Sorts them."""
        return super().key(work, _with_arrays(request, _sorted))


@reuse_defect("key-without-parameters", breaks=["CACHE-002/parameters", "CACHE-010/parameters"])
class KeyWithoutParameters(Keys):
    """Takes no parameter for something that changes an answer."""

    def key(self, work: Work, request: InferRequest) -> bytes:
        """Leaves them all out."""
        bare = replace(
            request,
            parameters={},
            inputs=tuple(replace(tensor, parameters={}) for tensor in request.inputs),
            outputs=tuple(replace(output, parameters={}) for output in request.outputs),
        )
        return super().key(work, bare)


@reuse_defect("key-without-outputs", breaks=["CACHE-002/outputs", "CACHE-010/outputs"])
class KeyWithoutOutputs(Keys):
    """Takes whatever outputs are asked for the same."""

    def key(self, work: Work, request: InferRequest) -> bytes:
        """Leaves out which they are."""
        return super().key(replace(work, outputs=()), request)


@reuse_defect("key-with-id", breaks=["CACHE-003/id", "CACHE-003/id over gRPC"])
class KeyWithId(Keys):
    """Takes the same request under another id for another one."""

    def key(self, work: Work, request: InferRequest) -> bytes:
        """Adds the id."""
        return super().key(work, request) + request.id.encode()


@reuse_defect("key-by-value", breaks=["CACHE-008"])
class KeyByValue(Keys):
    """Takes what is equal for the same, and one NaN for another."""

    def key(self, work: Work, request: InferRequest) -> bytes:
        """Makes equal what has other bits."""
        return super().key(work, _with_arrays(request, _without_signs_of_nothing))


def _with_arrays(request: InferRequest, change: Callable[[np.ndarray], np.ndarray]) -> InferRequest:
    inputs: tuple[Tensor, ...] = tuple(
        replace(tensor, array=change(tensor.array)) for tensor in request.inputs
    )
    return replace(request, inputs=inputs)


def _sorted(array: np.ndarray) -> np.ndarray:
    bits = array.ravel().view(f"u{array.itemsize}")  # which are told apart, whatever they mean
    return np.sort(bits).view(array.dtype).reshape(array.shape)


def _without_signs_of_nothing(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind != "f":
        return array
    return np.where(np.isnan(array), np.float32(np.nan), array + array.dtype.type(0))


# What is kept, and for how long.


@reuse_defect("errors-are-kept", breaks=["CACHE-004"])
class ErrorsAreKept(KeepingStage):
    """Fails again what has failed once."""

    async def __call__(self, work: Work) -> Computed:
        """Remembers each failure, also that somebody left."""
        failed: set[bytes] = self.__dict__.setdefault("failed", set())
        if work.key in failed:
            raise ComputeFailed("it has failed before")
        try:
            return await super().__call__(work)
        except (ServingError, asyncio.CancelledError):
            if work.key is not None:
                failed.add(work.key)
            raise


@reuse_defect("kept-too-long", breaks=["CACHE-006/time"])
class KeptTooLong(MemoryStore):
    """Knows no lifetime."""

    async def put(self, key: bytes, tensors: Tensors, seconds: float) -> None:
        """Keeps everything for an hour."""
        await super().put(key, tensors, max(seconds, HOUR))


@reuse_defect("hits-prolong", breaks=["CACHE-006/time"])
class HitsProlong(MemoryStore):
    """Keeps what is asked for as long as it is asked for."""

    async def get(self, key: bytes) -> Tensors | None:
        """Begins the lifetime anew."""
        tensors = await super().get(key)
        if tensors is not None:
            self._entries[key] = replace(self._entries[key], expires=self._clock() + HOUR)
        return tensors


@reuse_defect("cache-without-limit", breaks=["CACHE-006/memory"])
class CacheWithoutLimit(MemoryStore):
    """Keeps whatever comes."""

    async def put(self, key: bytes, tensors: Tensors, seconds: float) -> None:
        """Forgets how much there is already."""
        self.size = 0
        await super().put(key, tensors, seconds)


@reuse_defect("store-outages-are-told", breaks=["GUIDE-008"])
class StoreOutagesAreTold(CacheStage):
    """Fails with its store."""

    async def __call__(self, work: Work) -> Computed:
        """Puts something into a store that servers share, and wants it back."""
        if self._store.shared and work.key is not None:
            await self._store.put(PROBE, [np.zeros(1)], HOUR)
            if await self._store.get(PROBE) is None:
                raise ComputeFailed("the store does not answer")
        return await super().__call__(work)


# What a hit costs, and what is counted.


@reuse_defect("hits-are-computed", breaks=["CACHE-003/no work"])
class HitsAreComputed(CacheStage):
    """Computes all the same what it then answers from the cache."""

    async def __call__(self, work: Work) -> Computed:
        """Computes for nobody, who has no key."""
        computed = await super().__call__(work)
        if computed.source == "cache":
            await self._stage(replace(work, key=None))
        return computed


@reuse_defect("hits-are-slow", breaks=["GUIDE-007"])
class HitsAreSlow(CacheStage):
    """Answers from a store that is as slow as the work."""

    async def __call__(self, work: Work) -> Computed:
        """Takes its time for what is there."""
        computed = await super().__call__(work)
        if computed.source == "cache":
            await asyncio.sleep(SLOW)
        return computed


@reuse_defect("hits-are-not-counted", breaks=["CACHE-009"])
class HitsAreNotCounted(CacheStage):
    """Counts only what costs something."""

    async def __call__(self, work: Work) -> Computed:
        """Answers what is kept without a word."""
        return await _kept(self._store, work) or await super().__call__(work)


@reuse_defect("hits-are-counted-as-misses", breaks=["CACHE-009"])
class HitsAreCountedAsMisses(CacheStage):
    """Counts each request, and does not tell them apart."""

    async def __call__(self, work: Work) -> Computed:
        """Counts all as misses."""
        computed = await _kept(self._store, work)
        if computed is None:
            return await super().__call__(work)
        self._used("miss")
        return computed


async def _kept(store: Store, work: Work) -> Computed | None:
    if work.key is None or work.reuse is not Reuse.ALLOWED:
        return None
    tensors = await store.get(work.key)
    if tensors is None:
        return None
    return Computed(tensors, 0.0, 0.0, 0, source="cache", cache="hit")
