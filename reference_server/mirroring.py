"""Asks a second version the same, unheard: it can neither delay nor fail what its callers get.

What it answers is compared and recorded. It is computed behind the answer to the caller, from a
queue that is bounded in number and in bytes; what does not fit is dropped and counted. It takes
part in no cache and in no coalescing.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any, TypeAlias

import numpy as np
from msgspec import json

from servespec.wire.messages import InferRequest, InferResponse, Tensor

from .codec import size_of
from .errors import (
    Interrupted,
    ModelNotFound,
    ServingError,
    Shed,
    ShuttingDown,
)
from .pipeline import Fate
from .records import Records
from .repository import Model, Repository, State
from .scheduling import scheduled
from .workers import Workers

__all__ = ["Copy", "Mirror"]

_AT_ONCE = 8
"""Copies that are computed at the same time: enough for a version that is batched."""
_WAITING = 256
_WAITING_BYTES = 64 * 2**20
_SECONDS = 30.0
"""After which a copy is given up."""
_SHOWN = 256
"""Elements up to which a tensor is recorded."""

_NOT_ITS_OWN = (Interrupted, Shed, ShuttingDown)
"""What becomes of a copy without any doing of the version that computes it."""

Outcome: TypeAlias = InferResponse | Exception


@dataclass(frozen=True, slots=True)
class Copy:
    """A request that was answered, and what became of it.

    Attributes:
        version: that is to compute it too.
        by: the version that served.
        size: in bytes, of all its tensors.
    """

    version: str
    request: InferRequest
    by: str
    served: Outcome
    size: int


class Mirror:
    """Passes copies on, and records what becomes of them; for the event loop only.

    Args:
        repository: where the versions are.
        count: hears of each copy: model, version, and what became of it.
        records: keeps what was served and what would have been; None: nobody does.
    """

    def __init__(
        self,
        repository: Repository,
        count: Callable[[str, str, Fate], None],
        records: Records | None,
    ) -> None:
        self._repository = repository
        self._count = count
        self._records = records
        self._thread = Workers(1)
        self._waiting: deque[Copy] = deque()
        self._bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Start the thread that compares and records. It never keeps the process alive."""
        self._thread.start()

    def offer(self, version: str, request: InferRequest, by: str, served: Outcome) -> None:
        """Have a version compute what another one, `by`, has served; returns at once."""
        size = size_of(request.inputs)
        if isinstance(served, InferResponse):
            size += size_of(served.outputs)
        full = len(self._waiting) >= _WAITING or self._bytes + size > _WAITING_BYTES
        if version == by or full:
            self._count(request.model_name, version, "dropped")
            return
        self._waiting.append(Copy(version, request, by, served, size))
        self._bytes += size
        if len(self._tasks) < _AT_ONCE:
            task = asyncio.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Drop all that is not computed."""
        self._waiting.clear()
        for task in self._tasks:
            task.cancel()
        self._thread.stop()

    async def _work(self) -> None:
        while self._waiting:
            copy = self._waiting.popleft()
            try:
                self._count(copy.request.model_name, copy.version, await self.fate(copy))
            finally:
                self._bytes -= copy.size

    async def fate(self, copy: Copy) -> Fate:
        """Compute a copy; return what became of it."""
        started = monotonic()
        model = self._ready(copy.request.model_name, copy.version)
        if model is None:
            return "dropped"
        with model:
            shadow = await outcome(model, copy.request)
        if isinstance(shadow, _NOT_ITS_OWN):
            return "dropped"
        seconds = monotonic() - started
        return await self._thread.run(partial(_judged, copy, shadow, seconds, self._records))

    def _ready(self, name: str, version: str) -> Model | None:
        try:
            entry = self._repository.entry(name, version)
        except ModelNotFound:
            return None
        return entry.model if entry.state is State.READY else None


async def outcome(model: Model, request: InferRequest) -> Outcome:
    """Compute as for a caller, but without a key: nobody's answer is kept for it, or shared."""
    try:
        work = scheduled(model.signature.validate(request), {}, model.queueing, None)
        async with asyncio.timeout(_SECONDS):
            computed = await model.compute(work)
    except (ServingError, TimeoutError) as error:
        return error
    signature = model.signature.outputs
    outputs = [
        Tensor(name, signature[name].datatype, array)
        for name, array in zip(work.outputs, computed.tensors, strict=True)
    ]
    return InferResponse(model.name, model.version, tuple(outputs), request.id)


def _judged(copy: Copy, shadow: Outcome, seconds: float, records: Records | None) -> Fate:
    """Compare and record, in a thread: tensors may be large."""
    fate: Fate = "failed"
    if isinstance(shadow, InferResponse):
        fate = "same" if _same(copy.served, shadow) else "different"
    if records is not None:
        line = {
            "time": time.time(),
            "model": copy.request.model_name,
            "id": copy.request.id,
            "fate": fate,
            "inputs": list(map(_shown, copy.request.inputs)),
            "served": {"version": copy.by, **_described(copy.served)},
            "shadow": {"version": copy.version, "seconds": seconds, **_described(shadow)},
        }
        records.add(json.encode(line))
    return fate


def _same(one: Outcome, other: InferResponse) -> bool:
    if not isinstance(one, InferResponse) or len(one.outputs) != len(other.outputs):
        return False
    return all(map(_same_tensor, one.outputs, other.outputs))


def _same_tensor(one: Tensor, other: Tensor) -> bool:
    a, b = one.array, other.array
    if (one.name, one.datatype, a.shape) != (other.name, other.datatype, b.shape):
        return False
    return bool(np.array_equal(_bits(a), _bits(b)))


def _bits(array: np.ndarray) -> np.ndarray:
    """Return all bits of a tensor: a NaN is the same as itself, and 0.0 is not -0.0."""
    return (
        array if array.dtype.kind == "O" else np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    )


def _described(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, InferResponse):
        return {"outputs": list(map(_shown, outcome.outputs))}
    return {"error": str(outcome) or "not computed in time"}


def _shown(tensor: Tensor) -> dict[str, Any]:
    """Return a tensor as JSON has it; the data of a large one is left out."""
    array = tensor.array
    shown = {"name": tensor.name, "datatype": tensor.datatype, "shape": list(array.shape)}
    if array.size > _SHOWN:
        return shown
    if array.dtype.kind == "O":
        return {
            **shown,
            "data": [bytes(each)[:_SHOWN].decode(errors="replace") for each in array.flat],
        }
    return {**shown, "data": array.ravel().tolist()}
