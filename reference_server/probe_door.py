"""A door for probes and metrics alone, with a thread and an event loop of its own.

Whatever blocks the main event loop, and whatever fills it with work, the answers here come at once.
"""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

from .http import Handler, HttpRequest, HttpResponse, HttpServer, error_response
from .probes import PROBES
from .rest import find_route

__all__ = ["ProbeDoor", "without_models"]

_SERVED = (*PROBES, "metrics")
_CLOSE_SECONDS = 1.0

Result = TypeVar("Result")


def without_models(handler: Handler) -> Handler:
    """Return the main door's handler, but for the routes that may wait for more than memory."""

    async def answer(request: HttpRequest) -> HttpResponse:
        route = find_route(request.target)
        if route is None or route.model is not None or route.verb not in _SERVED:
            return error_response(404, "there are only probes and metrics at this door")
        return await handler(request)

    return answer


class ProbeDoor:
    """Runs an HTTP server in a thread that does not hold the exit."""

    def __init__(self, handler: Handler, host: str, port: int) -> None:
        self._server = HttpServer(handler, host=host, port=port)

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
        """Stop listening, and end the thread."""
        await self._there(self._server.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join, _CLOSE_SECONDS)
        self._loop.close()

    async def _there(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run it on the loop of the probes."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))
