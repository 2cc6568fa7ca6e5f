"""The gRPC calls under way, so that the server's end leaves none of them without an answer."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

from google.protobuf.message import Message

from .errors import ShuttingDown
from .grpc import Answer, Context

__all__ = ["Calls"]

_OVER = object()
_QUIET_SECONDS = 0.04
"""In which a caller who was answered would have asked again."""
_LONGEST_HOLD_SECONDS = 0.5


def _shutting_down() -> ShuttingDown:
    return ShuttingDown("the server is shutting down")


class Calls:
    """Knows the calls that wait for an answer, or for their client; for the event loop only."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Task[Any]] = set()
        self._abandoned = False
        self._ending = asyncio.Event()
        self._holding = False
        self._refusing = asyncio.Event()
        self._came = 0.0

    def tracked(self, answer: Answer) -> Answer:
        """Return `answer`, so that its calls can be abandoned."""

        async def track(request: Any, context: Context) -> Message:
            if self._holding:
                self._came = monotonic()
                await self._refusing.wait()
                raise _shutting_down()
            task = asyncio.current_task()
            assert task is not None  # grpcio runs each call in one of its own
            self._waiting.add(task)
            try:
                return await answer(request, context)
            except asyncio.CancelledError:
                if self._abandoned:
                    raise _shutting_down() from None
                raise  # the caller has left
            finally:
                self._waiting.discard(task)

        return track

    async def hold(self) -> None:
        """Let new calls wait, and their callers with them; return when none comes any more.

        What grpcio has not handed to us when it shuts down it ends as CANCELLED. Who waits for an
        answer asks nothing more, so that in the end there is nothing of that kind.
        """
        self._holding = True
        self._came = begun = monotonic()
        while monotonic() - self._came < _QUIET_SECONDS:
            await asyncio.sleep(_QUIET_SECONDS / 4)
            if monotonic() - begun > _LONGEST_HOLD_SECONDS:
                return

    def refuse(self) -> None:
        """Answer with an error those that are held."""
        self._refusing.set()

    async def until_end(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Yield what the client of a stream sends, until the server wants it to end."""
        while True:
            ending = asyncio.ensure_future(self._ending.wait())
            upcoming = asyncio.ensure_future(anext(requests, _OVER))
            await asyncio.wait((ending, upcoming), return_when=asyncio.FIRST_COMPLETED)
            ending.cancel()
            if not upcoming.done():
                upcoming.cancel()
                return
            if upcoming.result() is _OVER:
                return
            yield upcoming.result()

    def end_streams(self) -> None:
        """Listen to no client of a stream any more."""
        self._ending.set()

    def abandon(self) -> None:
        """Answer with an error all that wait."""
        self._abandoned = True
        for task in self._waiting:
            task.cancel()
