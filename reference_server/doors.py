"""The doors of the server: where it listens, and how it answers there."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grpc.aio import Server, ServerInterceptor

from .errors import StartupError
from .grpc import Answer
from .http import Handler, HttpServer, ProtocolFactory

__all__ = ["Behaviour", "Doors"]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the server answers.

    Attributes:
        rest: any HTTP request.
        inference: each method of the gRPC inference service, by name.
        check: the question of the gRPC health service.
        protocol: makes the HTTP protocol of each connection.
        interceptors: see each gRPC call before its method is looked up.
    """

    rest: Handler
    inference: Mapping[str, Answer]
    check: Answer
    protocol: ProtocolFactory
    interceptors: Sequence[ServerInterceptor] = ()


@dataclass(frozen=True, slots=True)
class Doors:
    """The servers that listen; `defects` only where misbehaviour can be switched on."""

    host: str
    grpc_port: int
    http: HttpServer
    grpc: Server
    defects: HttpServer | None

    async def open(self) -> Mapping[str, str]:
        """Listen; return the address of each door.

        Raises:
            StartupError: an address is taken or not to be had.
        """
        addresses = {
            "http": await _open_http(self.http, self.host),
            "grpc": await _open_grpc(self.grpc, self.host, self.grpc_port),
        }
        if self.defects is not None:
            addresses["defects"] = await _open_http(self.defects, "127.0.0.1")
        return addresses

    async def close(self, grace: float) -> None:
        """Close when the work in flight is finished, after `grace` seconds at the latest."""
        await asyncio.gather(self.http.drain(grace), self.grpc.stop(grace))
        if self.defects is not None:
            await self.defects.close()


async def _open_http(server: HttpServer, host: str) -> str:
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
