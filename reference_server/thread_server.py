"""An HTTP server with a thread and an event loop of its own.

Whatever blocks the main event loop, and whatever fills it with work, the answers here come at once;
and whatever is asked here does not disturb the main one.
"""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

from .http import Handler, HttpLimits, HttpServer

__all__ = ["ThreadServer"]

_CLOSE_SECONDS = 1.0

Result = TypeVar("Result")


class ThreadServer:
    """Runs an HTTP server in a thread that does not hold the exit."""

    def __init__(
        self, handler: Handler, host: str, port: int, limits: HttpLimits | None = None
    ) -> None:
        self.host = host
        self._server = HttpServer(handler, limits, host=host, port=port)
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port, also where 0 was asked for."""
        return self._server.port

    async def start(self) -> None:
        """Listen."""
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        await self._there(self._server.start())

    def say_close(self) -> None:
        """Serve on, and say with each answer that it is the last one of its connection."""
        self._server.say_close()

    async def close(self) -> None:
        """Stop listening, and end the thread; one that was never started has none."""
        if self._thread is None:
            return
        await self._there(self._server.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join, _CLOSE_SECONDS)
        self._loop.close()

    async def _there(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run it on the loop of the thread."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))
