"""What a client may not ask of gRPC's own library, under the options that we give it."""

import contextlib
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import grpc
import pytest

from ..grpc_limits import GrpcLimits
from .serving import SECONDS

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
PING = bytes((0, 0, 8, 6, 0, 0, 0, 0, 0)) + b"12345678"
METHOD = "/test.Service/Echo"


@contextlib.contextmanager
def listening(limits: GrpcLimits) -> Iterator[tuple[str, int]]:
    """A server that answers with the message; its address."""
    echo: grpc.RpcMethodHandler[bytes, bytes]
    echo = grpc.unary_unary_rpc_method_handler(lambda message, _: message)
    with ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads, options=limits.options)
        handler = grpc.method_handlers_generic_handler("test.Service", {"Echo": echo})
        server.add_generic_rpc_handlers([handler])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield "127.0.0.1", port
        finally:
            server.stop(None).wait(SECONDS)


def _ended(client: socket.socket) -> bool:
    """Read until the server ends the connection."""
    with contextlib.suppress(ConnectionError):
        while client.recv(1 << 16):
            pass
    return True


def test_a_client_that_says_nothing_is_cut_off() -> None:
    with listening(GrpcLimits(handshake_seconds=0.3)) as address:  # noqa: SIM117
        with socket.create_connection(address, SECONDS) as client:
            assert _ended(client)


def test_a_connection_without_calls_is_ended() -> None:
    with listening(GrpcLimits(idle_seconds=0.3)) as address:  # noqa: SIM117
        with socket.create_connection(address, SECONDS) as client:
            client.sendall(PREFACE)
            assert _ended(client)


def test_one_connection_too_many_is_closed_at_once() -> None:
    with listening(GrpcLimits(max_connections=1)) as address, ExitStack() as opened:
        first, second = (
            opened.enter_context(socket.create_connection(address, SECONDS)) for _ in range(2)
        )
        assert first.recv(1)
        assert _ended(second)


def test_a_flood_of_pings_ends_the_connection() -> None:
    with listening(GrpcLimits()) as address, socket.create_connection(address, SECONDS) as client:
        client.sendall(PREFACE + 100 * PING)
        assert _ended(client)


@pytest.mark.parametrize(("size", "served"), [(10_000, True), (17_000, False)])
def test_metadata_beyond_the_limit_are_refused(size: int, served: bool) -> None:
    with listening(GrpcLimits()) as (host, port), grpc.insecure_channel(f"{host}:{port}") as c:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = c.unary_unary(METHOD)
        future = call.future(b"x", timeout=SECONDS, metadata=(("k", "v" * size),))
        expected = grpc.StatusCode.OK if served else grpc.StatusCode.RESOURCE_EXHAUSTED
        assert future.code() is expected
