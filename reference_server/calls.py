"""The gRPC calls under way, so that the server's end leaves none of them without an answer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from google.protobuf.message import Message

from .errors import ShuttingDown
from .grpc import Answer, Context

__all__ = ["Calls"]

_OVER = object()


class Calls:
    """Knows the calls that wait for an answer, or for their client. All is used on the event loop only."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Task[Any]] = set()
        self._abandoned = False
        self._ending = asyncio.Event()

    def tracked(self, answer: Answer) -> Answer:
        """Return `answer`, so that its calls can be abandoned."""

        async def track(request: Any, context: Context) -> Message:
            task = asyncio.current_task()
            assert task is not None  # grpcio runs each call in one of its own
            self._waiting.add(task)
            try:
                return await answer(request, context)
            except asyncio.CancelledError:
                if self._abandoned:
                    raise ShuttingDown("the server is shutting down") from None
                raise  # the caller has left
            finally:
                self._waiting.discard(task)

        return track

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
