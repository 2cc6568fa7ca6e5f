"""One thread that decodes and encodes what is large.

A body of 64 MiB takes seconds, in which the event loop answers no probe; so much in several threads
at once would take the interpreter from the loop. What is small is done at once, on the loop.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from servespec.wire.messages import Tensor

from .errors import Overloaded
from .workers import Workers

__all__ = ["BACKLOG", "LARGE", "Codec", "size_of"]

LARGE = 256 * 2**10
"""Bytes from which a thread is worth its trouble: they take about a millisecond."""

BACKLOG = 256 * 2**20
"""Bytes that may wait to be read, more than those of a single request: seconds of work."""

_ELEMENT = 8  # bytes of a number as text, roughly, and those of a pointer

Result = TypeVar("Result")


class Codec:
    """Runs what turns bytes into tensors and back: at once, or in its thread."""

    def __init__(self, limit: int = BACKLOG) -> None:
        self._thread = Workers(1)
        self._limit = limit
        self._backlog = 0

    def start(self) -> None:
        """Start the thread. It never keeps the process alive."""
        self._thread.start()

    async def read(self, size: int, function: Callable[[], Result]) -> Result:
        """Return what the function makes of so many bytes that a caller sent.

        Raises:
            Overloaded: as much as may waits to be read already.
        """
        if size >= LARGE and self._backlog and self._backlog + size > self._limit:
            raise Overloaded("too many large requests wait to be read")
        self._backlog += size
        try:
            return await self.run(size, function)
        finally:
            self._backlog -= size

    async def run(self, size: int, function: Callable[[], Result]) -> Result:
        """Return what the function returns that deals with so many bytes."""
        if size < LARGE:
            return function()
        return await self._thread.run(function)


def size_of(tensors: Iterable[Tensor]) -> int:
    """Estimate the bytes of tensors on the wire."""
    return sum(_size(tensor) for tensor in tensors)


def _size(tensor: Tensor) -> int:
    size = tensor.array.size * _ELEMENT
    if tensor.datatype != "BYTES" or size >= LARGE:
        return size
    return size + sum(map(len, tensor.array.flat))
