"""The listening socket, the clock over its connections, and their orderly end."""

import asyncio
import contextlib
import socket

from .messages import Handler, HttpLimits
from .protocol import Connections, HttpProtocol, Observer, ProtocolFactory

__all__ = ["HttpServer"]

POLL = 0.01  # seconds between looks at a drain
ABANDON_SECONDS = 0.5  # for errors to be sent to clients that may not read


class HttpServer:
    """Serves a handler over HTTP/1.1.

    `protocol` makes the protocol of each new connection; `observe` hears how each request ended.
    """

    def __init__(
        self,
        handler: Handler,
        limits: HttpLimits | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        reuse_port: bool = False,
        protocol: ProtocolFactory = HttpProtocol,
        observe: Observer | None = None,
    ) -> None:
        self._handler = handler
        self._limits = limits or HttpLimits()
        self._host = host
        self._port = port
        self._reuse_port = reuse_port
        self._protocol = protocol
        self._connections = Connections(observe=observe) if observe else Connections()
        self._server: asyncio.Server | None = None
        self._clock: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port, also where 0 was asked for."""
        return self._port

    async def start(self) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: self._protocol(self._handler, self._limits, self._connections),
            self._host,
            self._port,
            backlog=2048,
            reuse_address=True,
            reuse_port=self._reuse_port,
        )
        self._port = _port(self._server.sockets[0])
        self._clock = loop.create_task(self._watch())

    def say_close(self) -> None:
        """Serve on, and say with each answer that it is the last one of its connection."""
        self._connections.closing = True

    def refuse(self) -> None:
        """Mark as late what begins from now on: the handler is to refuse it."""
        self._connections.closing = self._connections.refusing = True

    async def settled(self) -> None:
        """Return when everything that is not late is answered."""
        while True:
            if not any(connection.active for connection in self._connections.open):
                return
            await asyncio.sleep(POLL)

    async def abandon(self) -> None:
        """Answer what is unfinished with 503; return when the answers are sent."""
        for connection in tuple(self._connections.open):
            connection.abandon()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.settled(), ABANDON_SECONDS)

    async def close(self) -> None:
        """Stop listening and end every connection now; what is already written is still sent."""
        if self._server is None or self._clock is None:
            return
        self._clock.cancel()
        self._server.close()
        for connection in tuple(self._connections.open):
            connection.transport.close()
        await asyncio.sleep(0)  # lets them end
        self._server = self._clock = None

    async def _watch(self) -> None:
        """Hold the connections to their deadlines."""
        loop = asyncio.get_running_loop()
        limits = self._limits
        shortest = min(
            limits.header_timeout,
            limits.body_timeout,
            limits.idle_timeout,
            limits.write_timeout,
            limits.linger_timeout,
        )
        while True:
            await asyncio.sleep(min(1.0, shortest / 4))
            now = loop.time()
            for connection in tuple(self._connections.open):
                connection.check(now)


def _port(listening: socket.socket) -> int:
    return int(listening.getsockname()[1])
