"""The listening socket, the clock over its connections, and their orderly end."""

import asyncio
import socket

from .messages import Handler, HttpLimits
from .protocol import Connections, HttpProtocol, Observer, ProtocolFactory

__all__ = ["HttpServer"]

POLL = 0.01  # seconds between looks at a drain


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

    async def drain(self, seconds: float) -> bool:
        """Finish what clients have begun, then close; True if that took less than `seconds`.

        Until then new requests are still taken, and every answer says Connection: close. What is
        unfinished when the time is over is answered with 503.
        """
        self._connections.draining = True
        in_time = await self._settled(seconds)
        if not in_time:
            for connection in tuple(self._connections.open):
                connection.abandon()
            await self._settled(1.0)
        await self.close()
        return in_time

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

    async def _settled(self, seconds: float) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while any(connection.active for connection in self._connections.open):
            if loop.time() >= deadline:
                return False
            await asyncio.sleep(POLL)
        return True

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
