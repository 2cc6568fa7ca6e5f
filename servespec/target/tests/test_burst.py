"""Bursts: what was sent when, and what came of it, on servers that behave and that do not."""

import socket
import threading
import time

import pytest

from ..outcomes import Invalid, TargetGone
from ..target import FixtureBinding
from ..traffic import Volley, burst, must_be_close, open_burst
from .scripted import OK, answering, asked, ok, resetting, scripted, target_at, waiting

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2;a=b\r\nab\r\n1\r\nc\r\n0\r\nT: 1\r\n\r\n"
)


def test_answers_come_in_the_order_of_the_messages_with_their_times() -> None:
    with asked(answering(CHUNKED), answering(ok(b"{}")), answering(OK)) as target:
        volley = burst(target.rest, [GET] * 3)
    assert [one.must_succeed().body for one in volley.exchanges] == [b"abc", b"{}", b"{}"]
    assert volley.sent[0] == 0
    assert list(volley.sent) == sorted(volley.sent)
    assert volley.spread == volley.sent[-1]
    assert all(sent < done for sent, done in zip(volley.sent, volley.done, strict=True))


def test_all_is_sent_before_any_answer_is_waited_for() -> None:
    together = threading.Barrier(4)

    def talk(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        together.wait(timeout=5)
        connection.sendall(OK)

    with asked(*[talk] * 4, together=True) as target:
        volley = burst(target.rest, [GET] * 4)
    assert [one.status for one in volley.exchanges] == [200] * 4


def test_what_goes_wrong_is_a_failure_of_its_own_exchange() -> None:
    garbage = answering(b"no http\r\n\r\n")
    talks = (resetting, answering(b""), garbage, waiting, answering(OK))
    with asked(*talks, together=True) as target:
        volley = burst(target.rest, [GET] * 5, timeout=0.3)
    assert [one.failure for one in volley.exchanges] == [
        "the target reset the connection without an answer",
        "the target closed the connection without an answer",
        "b'no http' came, not an HTTP status line (11 bytes of one came)",
        "no answer within 0.3 s",
        None,
    ]
    assert volley.done[3] >= 0.3


def test_a_target_that_is_not_there_is_a_failure_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    target = target_at(port)
    volley = burst(target.rest, [GET, GET])
    assert ["Connection refused" in str(one.failure) for one in volley.exchanges] == [True] * 2
    assert all(sent <= done for sent, done in zip(volley.sent, volley.done, strict=True))
    target.close()


def test_a_target_that_died_ends_the_check() -> None:
    with scripted(answering(b"")) as port:
        target = target_at(port, alive=lambda: "it died")
        with pytest.raises(TargetGone, match="it died"):
            burst(target.rest, [GET])
        target.close()


def test_interim_answers_are_passed_over() -> None:
    with asked(answering(b"HTTP/1.1 100 Continue\r\n\r\n" + OK)) as target:
        assert burst(target.rest, [GET]).exchanges[0].status == 200


def test_a_body_that_is_larger_than_every_buffer_arrives_whole() -> None:
    body = b"x" * (16 << 20)
    lengths: list[int] = []

    def talk(connection: socket.socket) -> None:
        received = 0
        while received < len(head) + len(body):
            received += len(connection.recv(1 << 20))
        lengths.append(received)
        connection.sendall(ok(body))

    head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with asked(talk) as target:
        volley = burst(target.rest, [head + body])
    assert volley.exchanges[0].must_succeed().body == body
    assert lengths == [len(head) + len(body)]


def test_a_message_is_what_infer_would_send_and_its_answer_is_read_alike() -> None:
    received: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        while not received or b"}" not in received[-1]:
            received.append(connection.recv(1 << 16))
        connection.sendall(ok(ANSWER))

    binding = FixtureBinding("m", version="2", tensors={"x": "X", "y": "Y"})
    metadata = answering(ok(b"{}"))
    with scripted(metadata, talk) as port:
        target = target_at(port, headers={"Authorization": "a b"}, fixtures={"spin": binding})
        target.fixture("spin")
        target.close()
        message = target.rest.message("spin", {"inputs": [{"name": "x"}]}, headers={"E": "f"})
        (exchange,) = burst(target.rest, [message]).exchanges
        target.close()
    assert received[-1] == bytes(message)
    assert message.startswith(b"POST /v2/models/m/versions/2/infer HTTP/1.1\r\n")
    assert message.endswith(b'\r\n\r\n{"inputs": [{"name": "X"}]}')
    assert exchange.array("y") == 3
    assert exchange.request.method == "POST"
    assert "Authorization: <redacted>" in target.evidence[-1].request


ANSWER = b'{"outputs": [{"name": "Y", "datatype": "INT64", "shape": [1], "data": [3]}]}'


def test_each_exchange_is_counted_and_the_broken_ones_are_kept_first() -> None:
    talks = [answering(b""), *[answering(OK)] * 24]
    with asked(*talks) as target:
        burst(target.rest, [GET] * 25)
        assert len(target.evidence) + target.omitted == 25
        assert "closed the connection" in target.evidence[-1].summary


@pytest.mark.parametrize(("reset", "end"), [(False, b""), (True, ConnectionResetError)])
def test_a_client_leaves_by_a_close_or_a_reset(reset: bool, end: object) -> None:
    ends: list[object] = []

    def talk(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        try:
            ends.append(connection.recv(1))
        except OSError as error:
            ends.append(type(error))

    with asked(talk, answering(OK)) as target:
        with open_burst(target.rest, [GET, GET]) as (leaving, staying):
            leaving.abandon(reset=reset)
            assert staying.read().status == 200
        assert "before the answer was complete" in target.evidence[0].summary
    assert ends == [end]


def test_a_client_can_leave_while_the_answer_is_written() -> None:
    broken = threading.Event()

    def talk(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        try:
            connection.sendall(ok(b"x" * (64 << 20)))
        except OSError:
            broken.set()

    with asked(talk) as target, open_burst(target.rest, [GET]) as (leaving,):
        assert leaving.begins(timeout=5)
        leaving.abandon(reset=True)
        assert broken.wait(timeout=5)


def test_a_burst_that_was_spread_out_judges_nothing() -> None:
    volley = Volley((), sent=(0.0, 0.004), done=(1.0, 1.0))
    must_be_close(volley, 0.008)
    with pytest.raises(Invalid, match=r"4\.0 ms, which is more than half of the 7 ms"):
        must_be_close(volley, 0.007)


def test_a_burst_waits_no_longer_than_it_was_told() -> None:
    with asked(*[waiting] * 3, together=True) as target:
        started = time.monotonic()
        burst(target.rest, [GET] * 3, timeout=0.2)
        assert time.monotonic() - started < 2
