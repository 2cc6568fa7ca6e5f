"""The doors of the server: where it listens, and how it answers there."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from grpc.aio import Server, ServerInterceptor

from .calls import Calls
from .errors import StartupError
from .grpc import Answer, Watch
from .http import Handler, HttpServer, ProtocolFactory
from .thread_server import ThreadServer

__all__ = ["Behaviour", "Doors"]

_ABANDON_SECONDS = 0.5
"""For errors to reach callers, and for streams that do not end by themselves."""
_ENGINE_SECONDS = 0.5
"""How long an engine may take to end after its last caller has left."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the server answers.

    Attributes:
        rest: any HTTP request.
        inference: each method of the gRPC inference service, by name.
        check: the question of the gRPC health service.
        watch: the same question, answered again and again.
        protocol: makes the HTTP protocol of each connection.
        interceptors: see each gRPC call before its method is looked up.
    """

    rest: Handler
    inference: Mapping[str, Answer]
    check: Answer
    watch: Watch
    protocol: ProtocolFactory
    interceptors: Sequence[ServerInterceptor] = ()


@dataclass(slots=True)
class Doors:
    """The servers that listen, and how they leave (`lifecycle.Leaving`).

    Attributes:
        host: where REST and gRPC listen.
        grpc_port: the port of gRPC.
        http: REST.
        grpc: gRPC.
        calls: those of `grpc`.
        probes: answers probes whatever happens to the main event loop.
        admin: answers the operator.
        defects: only where misbehaviour can be switched on.
        end_engines: ends them within so many seconds.
    """

    host: str
    grpc_port: int
    http: HttpServer
    grpc: Server
    calls: Calls
    probes: ThreadServer | None
    admin: ThreadServer | None
    defects: HttpServer | None
    end_engines: Callable[[float], None]
    _grpc_ends: "asyncio.Task[None] | None" = None

    async def open(self) -> Mapping[str, str]:
        """Listen; return the address of each door.

        Raises:
            StartupError: an address is taken or not to be had.
        """
        addresses = {
            "http": await _open_http(self.http, self.host),
            "grpc": await _open_grpc(self.grpc, self.host, self.grpc_port),
        }
        if self.probes is not None:
            addresses["probes"] = await _open_http(self.probes, self.host)
        if self.admin is not None:
            addresses["admin"] = await _open_http(self.admin, self.admin.host)
        if self.defects is not None:
            addresses["defects"] = await _open_http(self.defects, "127.0.0.1")
        return addresses

    def say_close(self) -> None:
        """Serve on, and say with each answer over HTTP that it is its connection's last one."""
        self.http.say_close()
        if self.probes is not None:
            self.probes.say_close()

    async def refuse(self) -> None:
        """Refuse what begins from now on: gRPC says GOAWAY, and takes no connection any more."""
        self.http.refuse()
        self.calls.end_streams()
        await self.calls.hold()
        self._grpc_ends = asyncio.create_task(self.grpc.stop(inf))
        await asyncio.sleep(0)  # GOAWAY is on its way: nobody asks again on a connection of before
        self.calls.refuse()

    async def settled(self) -> None:
        """Return when all that was begun is answered."""
        await self.http.settled()
        if self._grpc_ends is not None:
            await asyncio.shield(self._grpc_ends)

    async def abandon(self) -> None:
        """Answer what is unfinished with an error."""
        self.calls.abandon()
        await asyncio.gather(self.http.abandon(), self.grpc.stop(_ABANDON_SECONDS))

    async def close(self) -> None:
        """End the engines, then stop listening: whoever asks is told that we live until then."""
        await asyncio.to_thread(self.end_engines, _ENGINE_SECONDS)
        await asyncio.gather(self.http.close(), self.grpc.stop(None))
        if self.probes is not None:
            await self.probes.close()
        if self.admin is not None:
            await self.admin.close()
        if self.defects is not None:
            await self.defects.close()


async def _open_http(server: HttpServer | ThreadServer, host: str) -> str:
    try:
        await server.start()
    except OSError as error:
        raise StartupError(f"cannot listen on {_address(host, server.port)}: {error}") from error
    return _address(host, server.port)


async def _open_grpc(server: Server, host: str, port: int) -> str:
    address = _address(host, port)
    try:
        bound = server.add_insecure_port(address)
    except RuntimeError as error:
        raise StartupError(f"cannot listen on {address}: in use, or not to be had") from error
    await server.start()
    return _address(host, bound)


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
