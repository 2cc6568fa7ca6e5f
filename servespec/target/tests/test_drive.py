"""Open-loop traffic: each request goes out at its moment, and each outcome is told apart."""

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from ..exchange import Exchange
from ..traffic import Ledger, Outcome, Question, constant, drive, driving
from .scripted import OK, Talk, answering, asked, ok, resetting, target_at, waiting


def _question(number: int) -> Question:
    body = f"{number}".encode()
    head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()

    def accept(exchange: Exchange) -> str | None:
        return None if exchange.body == body else f"{exchange.body!r} is not {body!r}"

    return Question(f"q{number}", head + body, accept)


def _echo(connection: socket.socket) -> None:
    while data := connection.recv(1 << 16):
        connection.sendall(ok(data.partition(b"\r\n\r\n")[2]))


def _outcomes(ledger: Ledger) -> list[Outcome]:
    return [row.outcome for row in ledger.rows]


def test_every_request_is_answered_once_over_kept_connections() -> None:
    with asked(*[_echo] * 8, together=True) as target:
        schedule = constant(200, 0.5)
        ledger = drive(target.rest, schedule, _question, connections=8)
    assert ledger.counts()[Outcome.ANSWERED] == len(schedule) == 100
    assert [row.id for row in ledger.rows] == [f"q{number}" for number in range(100)]
    for row, offset in zip(ledger.rows, schedule, strict=True):
        assert row.intended == pytest.approx(offset)
        assert row.intended <= row.dispatched <= row.sent <= row.done
        assert (row.status, row.detail) == (200, "")


def test_no_request_waits_for_the_answer_to_another() -> None:
    all_came = threading.Barrier(5)

    def talk(connection: socket.socket) -> None:
        data = connection.recv(1 << 16)
        all_came.wait(timeout=5)
        connection.sendall(ok(data.partition(b"\r\n\r\n")[2]))

    with asked(*[talk] * 5, together=True) as target:
        ledger = drive(target.rest, constant(50, 0.1), _question)
    assert _outcomes(ledger) == [Outcome.ANSWERED] * 5


def test_the_time_to_judge_an_answer_is_not_the_targets() -> None:
    def slow_to_judge(_number: int) -> Question:
        return replace(_question(0), accept=lambda _exchange: time.sleep(0.3))

    with asked(_echo) as target:
        (row,) = drive(target.rest, [0.0], slow_to_judge).rows
    assert row.outcome is Outcome.ANSWERED
    assert row.done - row.sent < 0.3


def test_a_request_without_a_free_connection_goes_out_late_and_shows_it() -> None:
    def slow(connection: socket.socket) -> None:
        while data := connection.recv(1 << 16):
            threading.Event().wait(0.1)
            connection.sendall(ok(data.partition(b"\r\n\r\n")[2]))

    with asked(slow) as target:
        ledger = drive(target.rest, [0.0, 0.01, 0.02], _question, connections=1)
    assert _outcomes(ledger) == [Outcome.ANSWERED] * 3
    assert all(later.dispatched >= row.done for row, later in pairwise(ledger.rows))
    assert ledger.rows[2].dispatched - ledger.rows[2].intended > 0.15


@pytest.mark.parametrize(
    ("talk", "outcome", "detail"),
    [
        (answering(ok(b"9")), Outcome.CROSSED, "b'9' is not b'0'"),
        (answering(ok(b"0") + ok(b"0")), Outcome.DOUBLED, "after its answer b'HTTP/1.1 200 OK"),
        (answering(ok(b"no").replace(b"200 OK", b"503 Busy")), Outcome.REFUSED, "503 no"),
        (answering(ok(b"no").replace(b"200 OK", b"429 Busy")), Outcome.REFUSED, "429 no"),
        (answering(ok(b"oh").replace(b"200 OK", b"500 Oh")), Outcome.FAILED, "500 oh"),
        (answering(b""), Outcome.LOST, "the target closed the connection without an answer"),
        (resetting, Outcome.LOST, "the target reset the connection without an answer"),
        (
            answering(OK[:-1]),
            Outcome.LOST,
            "the target closed the connection without an answer (39",
        ),
        (waiting, Outcome.LOST, "no answer within 0.3 s"),
    ],
)
def test_each_outcome_is_told_apart(talk: Talk, outcome: Outcome, detail: str) -> None:
    with asked(talk) as target:
        (row,) = drive(target.rest, [0.0], _question, timeout=0.3).rows
    assert row.outcome is outcome
    assert row.detail.startswith(detail)


@pytest.mark.parametrize(
    "answer",
    [ok(b"0"), b"HTTP/1.1 102 P\r\n\r\n" + ok(b"0"), b"HTTP/1.0 200 OK\r\n\r\n0"],
    ids=["plain", "after an interim one", "until the close"],
)
def test_an_answer_of_every_kind_is_an_answer(answer: bytes) -> None:
    with asked(answering(answer)) as target:
        (row,) = drive(target.rest, [0.0], _question).rows
    assert (row.outcome, row.detail) == (Outcome.ANSWERED, "")


def test_a_second_answer_that_comes_with_the_next_one_is_the_firsts() -> None:
    with asked(answering(ok(b"0"), ok(b"0") + ok(b"1"))) as target:
        ledger = drive(target.rest, [0.0, 0.2], _question, connections=1)
    assert _outcomes(ledger) == [Outcome.DOUBLED, Outcome.ANSWERED]


def test_a_second_answer_that_comes_late_is_noticed() -> None:
    def twice(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(ok(b"0"))
        threading.Event().wait(0.03)
        connection.sendall(ok(b"0"))

    with asked(twice) as target:
        assert _outcomes(drive(target.rest, [0.0], _question)) == [Outcome.DOUBLED]


def test_an_answer_that_cannot_be_read_is_a_failure() -> None:
    def unreadable(number: int) -> Question:
        return Question("a", _question(number).message, lambda exchange: str(exchange.array("y")))

    with asked(answering(ok(b"no json"))) as target:
        (row,) = drive(target.rest, [0.0], unreadable).rows
    assert (row.outcome, row.status) == (Outcome.FAILED, 200)
    assert "is not JSON" in row.detail


def test_the_version_is_the_one_that_the_answer_names() -> None:
    def anyhow(number: int) -> Question:
        return Question("a", _question(number).message, lambda _: None)

    named, other = ok(b'{"model_version": "2"}'), ok(b'"model_version"')
    with asked(answering(named, other)) as target:
        ledger = drive(target.rest, [0.0, 0.1], anyhow, connections=1)
    assert [row.version for row in ledger.rows] == ["2", ""]


def test_a_target_that_closes_is_connected_to_again() -> None:
    talks = [answering(ok(str(number).encode(), "Connection: close")) for number in range(3)]
    with asked(*talks) as target:
        ledger = drive(target.rest, constant(20, 0.15), _question)
    assert _outcomes(ledger) == [Outcome.ANSWERED] * 3


def test_a_connection_that_was_idle_for_long_is_not_used_again() -> None:
    with asked(answering(ok(b"0"), b"late"), answering(ok(b"1")), together=True) as target:
        ledger = drive(target.rest, [0.0, 2.1], _question)
    assert _outcomes(ledger) == [Outcome.ANSWERED] * 2


def test_a_target_that_is_not_there_fails_every_request() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    target = target_at(port)
    ledger = drive(target.rest, constant(100, 0.1), _question, connections=2)
    assert _outcomes(ledger) == [Outcome.FAILED] * 10
    assert all(f"no connection to http://127.0.0.1:{port}" in row.detail for row in ledger.rows)


def test_nothing_waits_for_a_connection_for_ever() -> None:
    with asked(*[waiting] * 3) as target:
        ledger = drive(target.rest, [0.0, 0.1, 0.11], _question, connections=1, timeout=0.3)
    assert ledger.rows[0].detail == "no answer within 0.3 s"
    assert ledger.rows[2].outcome is Outcome.FAILED
    assert ledger.rows[2].detail == "no connection became free within 0.3 s"


def test_the_check_does_other_things_meanwhile_and_may_end_the_traffic() -> None:
    with asked(*[_echo] * 4, together=True) as target:
        with driving(target.rest, constant(100, 3600), _question, connections=4) as traffic:
            threading.Event().wait(0.2)
            traffic.stop()
        counts = traffic.ledger.counts()
    assert 1 <= counts[Outcome.ANSWERED] == sum(counts.values()) < 1000
    assert traffic.ledger.started < time.monotonic()


def test_an_error_of_the_check_ends_the_traffic() -> None:
    with (
        asked(*[_echo] * 4, together=True) as target,
        pytest.raises(KeyError, match="mine"),
        driving(target.rest, constant(100, 3600), _question, connections=4),
    ):
        raise KeyError("mine")


def _bad_question(number: int) -> Question:
    raise KeyError(number)


def _bad_accept(number: int) -> Question:
    def accept(exchange: Exchange) -> str | None:
        raise KeyError(number)

    return Question("a", _question(number).message, accept)


@pytest.mark.parametrize("question", [_bad_question, _bad_accept])
def test_a_question_that_is_wrong_is_an_error_of_the_check(
    question: Callable[[int], Question],
) -> None:
    with asked(*[_echo] * 4, together=True) as target, pytest.raises(KeyError, match="0"):
        drive(target.rest, constant(100, 3600), question, connections=4)


def test_what_went_wrong_is_in_the_evidence_and_everything_is_counted() -> None:
    talks = answering(*[ok(str(number).encode()) for number in range(29)], ok(b"x"))
    with asked(talks) as target:
        drive(target.rest, constant(100, 0.3), _question, connections=1)
        assert len(target.evidence) + target.omitted == 30
        assert target.evidence[-1].answer.endswith("x")
