"""What a client may not ask of a connection: too much, or too slowly."""

import asyncio
from contextlib import ExitStack

import pytest

from ...http import HttpLimits, HttpRequest, HttpResponse
from .conftest import LIMITS
from .serving import GET, PATIENCE, Client, Served, serving

POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
HASTY = HttpLimits(
    header_timeout=0.2, body_timeout=0.2, idle_timeout=0.2, write_timeout=0.2, linger_timeout=0.2
)


def test_a_body_at_the_limit_is_read(served: Served) -> None:
    body = b"x" * LIMITS.max_body_bytes
    answer = served.ask(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert answer.json["body"].encode() == body


def test_a_declared_length_beyond_the_limit_is_413_before_the_body_comes(served: Served) -> None:
    with served.connect() as client:
        answer = client.send(POST + b"Content-Length: 1001\r\n\r\n").answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")


def test_chunks_beyond_the_limit_are_413_before_they_end(served: Served) -> None:
    with served.connect() as client:
        client.send(
            POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"64\r\n%b\r\n" % (b"x" * 100) * 11
        )
        assert client.answer().status == 413


def test_a_client_that_sends_on_can_read_the_413(served: Served) -> None:
    body = b"x" * 2**23
    with served.connect() as client:
        client.send(POST + b"Content-Length: %d\r\n\r\n" % len(body)).send(body)
        assert client.answer().status == 413
        assert client.rest() == b""


def test_a_client_that_never_stops_sending_is_cut_off() -> None:
    limits = HttpLimits(max_body_bytes=10, linger_bytes=2**16, linger_timeout=60)
    with serving(limits=limits) as served, served.connect() as client:
        client.send(POST + b"Content-Length: 11\r\n\r\n")
        with pytest.raises(ConnectionError):
            client.send_for_ever(b"x" * 2**16)


def test_a_client_that_does_not_end_the_connection_is_cut_off() -> None:
    with serving(limits=HASTY) as served, served.connect() as client:
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        assert client.answer().status == 200
        with pytest.raises(ConnectionError):
            client.send_for_ever(b"x")


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(b"X: " + b"x" * 2000 + b"\r\n", id="one-long"),
        pytest.param(b"X: y\r\n" * 20, id="many"),
        pytest.param(b"X: " + b"x" * 300_000, id="one-that-never-ends"),
    ],
)
def test_header_fields_beyond_the_limit_are_431(served: Served, fields: bytes) -> None:
    with served.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n").send(fields).send(b"\r\n")
        answer = client.answer()
        assert (answer.status, answer.headers["connection"]) == (431, "close")
        assert client.rest() == b""


def test_a_head_is_refused_before_it_ends() -> None:
    limits = HttpLimits(max_header_bytes=2000)
    with serving(limits=limits) as served, served.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: " + b"x" * 999 + b"\r\n")
        client.send(b"Y: " + b"y" * 999 + b"\r\nZ")
        assert client.answer().status == 431


def test_trailer_fields_count_as_header_fields(served: Served) -> None:
    trailers = b"X: y\r\n" * 20
    answer = served.ask(POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + trailers + b"\r\n")
    assert answer.status == 431


@pytest.mark.parametrize("endless", [b"0\r\nX: ", b"1;x="], ids=["trailer", "chunk-extension"])
def test_what_never_ends_between_the_chunks_is_431(served: Served, endless: bytes) -> None:
    with served.connect() as client:
        client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n" + endless)
        client.send(b"x" * 600_000)
        assert client.answer().status == 431


def test_a_target_beyond_the_limit_is_414(served: Served) -> None:
    assert served.ask(b"GET /" + b"x" * 2000 + b" HTTP/1.1\r\nHost: a\r\n\r\n").status == 414


def test_the_head_of_a_later_pipelined_request_has_limits_of_its_own(served: Served) -> None:
    with served.connect() as client:
        client.send(GET * 100 + GET[:10]).send(GET[10:])
        assert [client.answer().status for _ in range(101)] == [200] * 101


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(GET[:20], id="header"),
        pytest.param(POST + b"Content-Length: 9\r\n\r\nabc", id="body"),
    ],
)
def test_a_request_that_does_not_go_on_is_408(begun: bytes) -> None:
    with serving(limits=HASTY) as served, served.connect() as client:
        assert client.send(begun).answer().status == 408
        assert client.rest() == b""


def test_a_slow_body_has_time_while_it_comes_fast_enough() -> None:
    limits = HttpLimits(body_timeout=0.1, body_rate=1)
    with serving(limits=limits) as served, served.connect() as client:
        client.send(POST + b"Content-Length: 6\r\n\r\nab")
        client.socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            client.socket.recv(1)
        client.socket.settimeout(PATIENCE)
        assert client.send(b"cdef").answer().json["body"] == "abcdef"


def test_an_idle_connection_is_closed() -> None:
    with serving(limits=HASTY) as served, served.connect() as client:
        assert client.send(GET).answer().status == 200
        assert client.rest() == b""


def test_a_handler_may_take_longer_than_any_limit_on_the_client() -> None:
    async def slow(request: HttpRequest) -> HttpResponse:
        await asyncio.sleep(0.3)
        return HttpResponse(200)

    with serving(slow, HASTY) as served, served.connect() as client:
        client.send(GET + GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert [client.answer().status for _ in range(2)] == [200, 200]


def test_a_client_that_does_not_read_is_given_up() -> None:
    request = POST + b"Content-Length: %d\r\n\r\n" % (2**20) + b"x" * 2**20
    with serving(limits=HttpLimits(write_timeout=0.2)) as served, served.connect() as client:  # noqa: SIM117
        with pytest.raises(ConnectionError):
            client.send_for_ever(request)


def test_stalled_clients_do_not_hold_others_up(served: Served) -> None:
    stalled = [served.connect().send(GET[:20]) for _ in range(50)]
    assert served.ask(GET).status == 200
    for client in stalled:
        with client:
            assert client.send(GET[20:]).answer().status == 200


def test_one_connection_too_many_is_told_so_at_once() -> None:
    with serving(limits=HttpLimits(max_connections=1)) as served, served.connect() as first:
        assert first.send(GET).answer().status == 200
        with served.connect() as second:
            answer = second.answer()
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
            assert answer.headers["connection"] == "close"
            assert second.rest() == b""
        assert first.send(GET).answer().status == 200


def test_who_is_turned_away_reads_why_though_a_request_was_sent() -> None:
    with serving(limits=HttpLimits(max_connections=0)) as served:
        for _ in range(50):
            assert served.ask(POST + b"Content-Length: 9\r\n\r\n123456789").status == 503


def test_a_connection_that_ends_makes_room() -> None:
    limits = HttpLimits(max_connections=1, idle_timeout=0.1)
    with serving(limits=limits) as served, served.connect() as first:
        assert first.send(GET).answer().status == 200
        assert first.rest() == b""
        assert served.ask(GET).status == 200


def test_a_flood_of_connections_is_cut_without_a_word() -> None:
    with serving(limits=HttpLimits(max_connections=0)) as served, ExitStack() as opened:
        crowd = [opened.enter_context(served.connect()) for _ in range(300)]
        told = [client for client in crowd if _first_byte(client)]
        assert 256 <= len(told) < 300


def _first_byte(client: Client) -> bytes:
    try:
        return client.socket.recv(1)
    except ConnectionResetError:
        return b""
