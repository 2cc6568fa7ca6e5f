"""Each request goes out at its moment, once, and none of them disappears."""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from contextlib import contextmanager

import grpc
import numpy as np
import pytest

from ..sending.records import Fate
from .driving import drive
from .misbehaving import Reply, misbehaving

EVENLY = np.arange(100) / 50
"""Two seconds."""


def test_times_count_from_the_intended_moment_through_a_stall() -> None:
    with misbehaving(lambda number: Reply(seconds=1.0 if number == 25 else 0.0)) as server:
        driven = drive(server.url, EVENLY)
    records, taken = driven.records, driven.records.response_seconds()

    assert np.isfinite(taken).all()
    behind = (records.intended > 0.52) & (records.intended < 1.45)
    assert (taken[behind] >= 1.5 - records.intended[behind]).all()
    assert np.percentile(taken, 75, method="lower") > 0.4
    assert (records.lag_seconds() < 0.4).all()
    stays = (records.done - records.dispatched).sum()
    assert driven.area == pytest.approx(stays, rel=0.05)  # counted apart from the times


FATES = {
    "answered": (Reply(), Fate.ANSWERED, 200),
    "an answer within the drain": (Reply(seconds=0.4), Fate.ANSWERED, 200),
    "503": (Reply(503), Fate.REFUSED, 503),
    "429": (Reply(429), Fate.REFUSED, 429),
    "500": (Reply(500), Fate.FAILED, 500),
    "404": (Reply(404), Fate.FAILED, 404),
    "hang": (Reply(hangs=True), Fate.LOST, -1),
    "cut off": (Reply(0), Fate.LOST, -1),
}


def test_each_outcome_has_its_fate_an_answer_alone_has_a_time_and_nothing_is_sent_twice() -> None:
    replies = [reply for reply, _, _ in FATES.values()]
    with misbehaving(lambda number: replies[number]) as server:
        records = drive(server.url, np.arange(len(replies)) / 50, timeout=1.0).records
    expected = [fate for _, fate, _ in FATES.values()]

    assert [Fate(fate) for fate in records.fate] == expected
    assert records.status.tolist() == [status for _, _, status in FATES.values()]
    answered = np.array(expected) == Fate.ANSWERED
    assert (np.isfinite(records.response_seconds()) == answered).all()
    assert sorted(server.numbers) == list(range(len(replies)))


def test_a_connection_that_the_server_closed_while_it_was_idle_is_opened_anew() -> None:
    with misbehaving(lambda _: Reply(closes=True)) as server:
        records = drive(server.url, EVENLY[:20]).records

    assert records.counts()[Fate.ANSWERED] == 20
    assert sorted(server.numbers) == list(range(20))


def test_no_request_waits_for_a_connection_to_be_opened() -> None:
    hangs, moments = range(3), np.arange(5) * 0.8
    with misbehaving(lambda number: Reply(hangs=number in hangs)) as server:
        records = drive(server.url, moments, timeout=1.0).records
    begun = server.accepted[0] - records.dispatched[0]  # or a little before

    assert records.counts()[Fate.ANSWERED] == len(moments) - len(hangs)
    for opened, dispatched in zip(server.accepted[1:], records.dispatched[1:], strict=False):
        assert opened - begun < dispatched - 0.3


def test_one_more_than_may_be_under_way_is_shed_and_never_sent() -> None:
    with misbehaving(lambda number: Reply(hangs=number < 3)) as server:
        records = drive(server.url, EVENLY[:20], in_flight=3, timeout=1.0).records

    assert records.counts()[Fate.LOST] == 3
    assert records.counts()[Fate.SHED] == 17
    assert sorted(server.numbers) == [0, 1, 2]


CODES: Mapping[int, tuple[grpc.StatusCode, Fate]] = {
    0: (grpc.StatusCode.UNAVAILABLE, Fate.REFUSED),
    1: (grpc.StatusCode.RESOURCE_EXHAUSTED, Fate.REFUSED),
    2: (grpc.StatusCode.INTERNAL, Fate.FAILED),
    3: (grpc.StatusCode.DEADLINE_EXCEEDED, Fate.LOST),
    4: (grpc.StatusCode.OK, Fate.ANSWERED),
}


@contextmanager
def _over_grpc(answer: Callable[[int, grpc.ServicerContext], None]) -> Iterator[str]:
    def numbered(_: bytes, context: grpc.ServicerContext) -> bytes:
        answer(int(str(dict(context.invocation_metadata())["x-request-id"])), context)
        return b""

    class Handler(grpc.GenericRpcHandler):
        def service(self, _: object) -> "grpc.RpcMethodHandler[bytes, bytes]":
            return grpc.unary_unary_rpc_method_handler(numbered)

    server = grpc.server(futures.ThreadPoolExecutor(32), [Handler()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def test_over_grpc_each_code_has_its_fate_and_nothing_is_sent_twice() -> None:
    asked: list[int] = []

    def answer(number: int, context: grpc.ServicerContext) -> None:
        asked.append(number)
        code = CODES[number % len(CODES)][0]
        if code is not grpc.StatusCode.OK:
            context.abort(code, "as the script says")

    with _over_grpc(answer) as address:
        records = drive(address, EVENLY[:20], plane="grpc").records

    assert [Fate(fate) for fate in records.fate] == [CODES[row % 5][1] for row in range(20)]
    assert sorted(asked) == list(range(20))


def test_over_grpc_calls_that_hang_do_not_hide_the_answers_of_others() -> None:
    stopped = threading.Event()

    def answer(number: int, _: grpc.ServicerContext) -> None:
        if number < 12:
            stopped.wait()

    with _over_grpc(answer) as address:
        records = drive(address, EVENLY[:20], plane="grpc", timeout=2.0).records
        stopped.set()

    assert records.counts() == {**dict.fromkeys(Fate, 0), Fate.LOST: 12, Fate.ANSWERED: 8}
    assert records.service_seconds()[12:].max() < 1.0
