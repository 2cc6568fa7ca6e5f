"""Bytes written by hand: whatever comes back is read, however odd it is."""

import socket

import pytest

from ..outcomes import Nonconformance
from .scripted import OK, answering, asked, resetting, waiting

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2;a=b\r\nab\r\n1\r\nc\r\n0\r\nT: 1\r\n\r\n"
)
UNTIL_CLOSE = b"HTTP/1.0 200 OK\n\nabc"


@pytest.mark.parametrize("answer", [CHUNKED, UNTIL_CLOSE])
def test_the_body_ends_where_http_says(answer: bytes) -> None:
    with asked(answering(answer)) as target:
        exchange = target.rest.wire(GET)
    assert exchange.answer.must_succeed().body == b"abc"
    assert exchange.raw == answer


def test_interim_answers_are_told_from_final_ones() -> None:
    with asked(answering(b"HTTP/1.1 100 Continue\r\n\r\n" + OK)) as target:
        exchange = target.rest.wire(GET)
    assert [one.status for one in exchange.interim] == [100]
    assert [one.status for one in exchange.answers] == [200]


def test_answers_that_nobody_waited_for_are_seen() -> None:
    with asked(answering(OK + OK)) as target:
        assert len(target.rest.wire(GET, answers=1).answers) == 2


def test_a_close_in_order_is_told_from_a_reset() -> None:
    with asked(answering(OK), resetting) as target:
        orderly, abrupt = target.rest.wire(GET), target.rest.wire(GET)
    assert (orderly.closed, orderly.reset) == (True, False)
    assert (abrupt.closed, abrupt.reset, abrupt.answers) == (True, True, ())
    with pytest.raises(Nonconformance, match="reset the connection without an answer"):
        abrupt.answer.must_be_client_error()


def test_silence_ends_in_time() -> None:
    with asked(waiting) as target:
        exchange = target.rest.wire(GET, timeout=0.2)
    assert exchange.answer.failure == "no answer within 0.2 s"
    assert not exchange.closed


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"NOPE\r\n\r\n", "not an HTTP status line"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "length of the body"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "closed .* bytes of one came"),
    ],
)
def test_what_is_no_answer_is_named(answer: bytes, sentence: str) -> None:
    with asked(answering(answer)) as target, pytest.raises(Nonconformance, match=sentence):
        target.rest.wire(GET).answer.must_not_crash()


def test_the_end_of_what_we_send_can_be_said() -> None:
    def echo_at_end(connection: socket.socket) -> None:
        received = b""
        while data := connection.recv(100):
            received += data
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + received)

    with asked(echo_at_end) as target:
        exchange = target.rest.wire([b"GET", b" /"], half_close=True)
    assert exchange.answer.body == b"GET /"


def test_a_connection_can_be_held_and_read_answer_by_answer() -> None:
    with asked(answering(OK, OK)) as target, target.rest.connect() as connection:
        for _ in range(2):
            connection.send(GET)
            connection.recv_answer().must_succeed()
        assert not connection.has_more(timeout=2.0)
        assert connection.closed
