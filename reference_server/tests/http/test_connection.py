"""The life of a connection: expectations, half-closes, aborts, failures."""

import asyncio
import socket
import struct
import threading
import time
from email.utils import parsedate_to_datetime

import pytest

from ...http import Handler, HttpLimits, HttpRequest, HttpResponse
from .serving import GET, PATIENCE, Client, Served, echo, serving

POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
LARGE = bytes(2**24)  # more than the sockets hold
EXPECTING = POST + b"Expect: 100-Continue\r\n"


class Gate:
    """A handler that waits to be let through, and knows whether it was cancelled."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.cancelled = threading.Event()
        self.open = asyncio.Event()

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """Echo, once the gate is open."""
        if request.target == "/free":
            return await echo(request)
        self.entered.set()
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return await echo(request)


def send_to(gate: Gate, client: Client) -> None:
    """A request that waits at the gate."""
    client.send(GET)
    assert gate.entered.wait(PATIENCE)


def test_a_body_that_waits_for_100_continue_gets_it(served: Served) -> None:
    with served.connect() as client:
        client.send(EXPECTING + b"Content-Length: 3\r\n\r\n")
        assert client.head().status == 100
        assert client.send(b"abc").answer().json["body"] == "abc"


def test_100_continue_waits_for_its_turn() -> None:
    gate = Gate()
    with serving(gate) as served, served.connect() as client:
        send_to(gate, client)
        client.send(EXPECTING + b"Content-Length: 3\r\n\r\n")
        served.loop.call_soon_threadsafe(gate.open.set)
        assert [client.answer().status, client.head().status] == [200, 100]
        assert client.send(b"abc").answer().json["body"] == "abc"


def test_a_body_that_did_not_wait_gets_no_100_continue(served: Served) -> None:
    answer = served.ask(EXPECTING + b"Content-Length: 3\r\n\r\nabc")
    assert answer.status == 200


def test_a_body_that_has_begun_gets_no_100_continue(served: Served) -> None:
    with served.connect() as client:
        client.send(EXPECTING + b"Content-Length: 6\r\n\r\nabc")
        served.run(asyncio.sleep(0.01))
        assert client.send(b"def").answer().status == 200


def test_http_1_0_gets_no_100_continue(served: Served) -> None:
    with served.connect() as client:
        client.send(b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        served.run(asyncio.sleep(0.01))
        assert client.send(b"abc").answer().status == 200


@pytest.mark.parametrize(
    ("head", "status"),
    [
        pytest.param(EXPECTING + b"Content-Length: 1001\r\n\r\n", 413, id="too-large"),
        pytest.param(POST + b"Expect: miracles\r\nContent-Length: 3\r\n\r\n", 417, id="unknown"),
    ],
)
def test_an_expectation_that_is_not_met_gets_the_final_status_at_once(
    served: Served, head: bytes, status: int
) -> None:
    with served.connect() as client:
        answer = client.send(head).answer()
        assert (answer.status, answer.headers["connection"]) == (status, "close")


def test_a_client_that_half_closes_still_gets_the_answer() -> None:
    gate = Gate()
    with serving(gate) as served, served.connect() as client:
        send_to(gate, client)
        client.half_close()
        served.loop.call_soon_threadsafe(gate.open.set)
        assert client.answer().status == 200
        assert client.rest() == b""


def test_a_request_cut_short_by_a_half_close_is_400(served: Served) -> None:
    with served.connect() as client:
        client.send(POST + b"Content-Length: 9\r\n\r\nabc").half_close()
        assert client.answer().status == 400
        assert client.rest() == b""


def test_a_request_cut_short_while_it_waits_for_its_turn_gets_no_100_continue() -> None:
    gate = Gate()
    with serving(gate) as served, served.connect() as client:
        send_to(gate, client)
        client.send(EXPECTING + b"Content-Length: 3\r\n\r\n").half_close()
        served.run(asyncio.sleep(0.01))
        served.loop.call_soon_threadsafe(gate.open.set)
        assert [client.answer().status for _ in range(2)] == [200, 400]
        assert client.rest() == b""


def test_an_aborted_connection_cancels_its_handler() -> None:
    gate = Gate()
    with serving(gate) as served, served.connect() as client:
        send_to(gate, client)
        reset = struct.pack("ii", 1, 0)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        client.close()
        assert gate.cancelled.wait(PATIENCE)


def test_head_is_answered_without_the_body(served: Served) -> None:
    with served.connect() as client:
        client.send(GET.replace(b"GET", b"HEAD"))
        assert int(client.head().headers["content-length"]) > 0
        assert client.send(GET).answer().status == 200


@pytest.mark.parametrize("request_bytes", [GET, b"nonsense\r\n\r\n"])
def test_every_answer_has_a_date(served: Served, request_bytes: bytes) -> None:
    date = parsedate_to_datetime(served.ask(request_bytes).headers["date"])
    now = parsedate_to_datetime(served.ask(GET).headers["date"])
    assert 0 <= (now - date).total_seconds() <= 1


async def fail(request: HttpRequest) -> HttpResponse:
    raise OSError("/a/path/of/this/machine")


async def inject(request: HttpRequest) -> HttpResponse:
    return HttpResponse(200, b"", (("X-Echo", "a\r\nSet-Cookie: b"),))


async def cancel(request: HttpRequest) -> HttpResponse:
    raise asyncio.CancelledError


@pytest.mark.parametrize(("handler", "status"), [(fail, 500), (inject, 500), (cancel, 503)])
def test_a_handler_that_fails_gives_an_error_without_details(handler: Handler, status: int) -> None:
    with serving(handler) as served, served.connect() as client:
        for _ in range(2):
            answer = client.send(GET).answer()
            assert answer.status == status
            assert list(answer.json) == ["error"]
            assert b"/" not in answer.body
            assert "set-cookie" not in answer.headers


def test_a_failure_is_logged_with_its_cause(caplog: pytest.LogCaptureFixture) -> None:
    with serving(fail) as served:
        served.ask(GET)
    assert "/a/path/of/this/machine" in caplog.text


def test_204_has_neither_body_nor_length() -> None:
    async def nothing(request: HttpRequest) -> HttpResponse:
        return HttpResponse(204)

    with serving(nothing) as served:
        assert "content-length" not in served.ask(GET).headers


def test_an_answer_may_be_read_as_slowly_as_the_client_likes() -> None:
    async def large(request: HttpRequest) -> HttpResponse:
        return HttpResponse(200, LARGE)

    limits = HttpLimits(write_timeout=0.1, idle_timeout=0.1, linger_timeout=0.1)
    with serving(large, limits) as served, served.connect() as client:
        client.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        length = int(client.head().headers["content-length"])
        for _ in range(16):
            assert client.read(length // 16) == bytes(length // 16)
            time.sleep(0.02)  # the slowness that is allowed
        assert client.rest() == b""


def test_a_slow_reader_does_not_cut_the_next_answer_short() -> None:
    async def large_then_slow(request: HttpRequest) -> HttpResponse:
        if request.method == "GET":
            return HttpResponse(200, LARGE)
        await asyncio.sleep(0.4)
        return HttpResponse(204)

    limits = HttpLimits(write_timeout=0.1)
    with serving(large_then_slow, limits) as served, served.connect() as client:
        client.send(GET + GET.replace(b"GET", b"OPTIONS"))
        assert [client.answer().status for _ in range(2)] == [200, 204]


def test_head_of_a_large_answer_has_no_body() -> None:
    async def large(request: HttpRequest) -> HttpResponse:
        return HttpResponse(200, b"x" * 2**20)

    with serving(large) as served, served.connect() as client:
        client.send(b"HEAD / HTTP/1.0\r\n\r\n")
        assert client.head().headers["content-length"] == str(2**20)
        assert client.rest() == b""


def test_two_servers_may_share_a_port() -> None:
    with serving(reuse_port=True) as first, serving(port=first.server.port, reuse_port=True):
        assert first.ask(GET).status == 200
