"""The gRPC calls under way, so that the server's end leaves none of them without an answer."""

import asyncio
from typing import Any

from google.protobuf.message import Message

from .errors import ShuttingDown
from .grpc import Answer, Context

__all__ = ["Calls"]


class Calls:
    """Knows the unary calls that wait for their answer. All is used on the event loop only."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Task[Any]] = set()
        self._abandoned = False

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

    def abandon(self) -> None:
        """Answer with an error all that wait."""
        self._abandoned = True
        for task in self._waiting:
            task.cancel()
