"""A server that does nothing: what the generator itself takes is seen against it.

`python -m loadtests.calibration.null_server rest` (or `grpc`) prints its port, and answers until
its standard input ends.
"""

import asyncio
import re
import sys

__all__ = ["main"]

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_BACKLOG = 4096
"""Of connections that wait to be accepted: one more is asked for again after a second, and that
second would be taken for the generator's. asyncio's own is 100."""
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Nothing(asyncio.Protocol):
    """Answers each complete request, whatever it asks."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to answer."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer what has become complete."""
        self._received += data
        while (end := _end_of_request(self._received)) is not None:
            del self._received[:end]
            assert self._transport is not None
            self._transport.write(_ANSWER)


def _end_of_request(received: bytearray) -> int | None:
    head = received.find(b"\r\n\r\n")
    if head < 0:
        return None
    length = _LENGTH.search(received, 0, head)
    end = head + 4 + (int(length[1]) if length else 0)
    return end if len(received) >= end else None


async def _over_rest() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Nothing, "127.0.0.1", 0, backlog=_BACKLOG)
    async with server:
        await _until_alone(server.sockets[0].getsockname()[1])


async def _over_grpc() -> None:
    import grpc.aio

    async def nothing(_request: bytes, _context: object) -> bytes:
        return b""

    class Whatever(grpc.GenericRpcHandler):
        def service(self, _call: object) -> "grpc.RpcMethodHandler[bytes, bytes]":
            return grpc.unary_unary_rpc_method_handler(nothing)

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Whatever(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await _until_alone(port)
    await server.stop(None)


async def _until_alone(port: int) -> None:
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    """Serve until whoever started it is gone."""
    asyncio.run(_over_grpc() if "grpc" in sys.argv[1:] else _over_rest())


if __name__ == "__main__":
    main()
