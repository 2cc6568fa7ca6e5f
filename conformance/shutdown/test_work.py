"""What is in flight at the signal is answered, what comes too late is refused."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc

from servespec.target.exchange import Exchange, GrpcExchange
from servespec.target.outcomes import Invalid, NotApplicable
from servespec.target.target import Target
from servespec.target.traffic import burst, open_burst
from servespec.verdicts.requirement import requirement
from servespec.wire import proto as pb

from ..batching.crowds import delay_seconds as batching_delay
from ..grpc.messages import typed
from ..questions import spin_of, spinning, witnessing
from .ending import (
    SETTLE,
    Ending,
    delay_seconds,
    ending,
    grace_seconds,
    must_be_answered,
    work_seconds,
)

CALLERS = 8
HELD = 1.0
"""Seconds of work that keep the server from its exit, beyond its delay."""

LATE = 0.3
"""Harness: seconds after the end of the delay from which a request is late."""

ANSWER = 5.0
"""Binding: seconds in which a late request is refused; a later refusal is a hang."""


@requirement("K8S-TERM-002", name="rest")
def test_what_was_accepted_over_rest_is_answered(target: Target) -> None:
    """A deployment must not cost the requests that the old replica works on."""
    seconds = work_seconds(target, CALLERS)
    with ending(target) as server, server.holding(seconds, CALLERS) as held:
        server.terminate()

        must_be_answered(held.answers(grace_seconds(target)), held.expected)


@requirement("K8S-TERM-002", name="grpc")
def test_what_was_accepted_over_grpc_is_answered(target: Target) -> None:
    """The same promise holds on the other plane."""
    grace = grace_seconds(target)
    with ending(target) as server, ThreadPoolExecutor(CALLERS) as threads:
        first = spin_of(server.target, work_seconds(target, CALLERS))
        expected = range(first, first + CALLERS)
        server.target.grpc.call("ServerLive", pb.ServerLiveRequest()).must_succeed()
        calls = [threads.submit(_spin, server.target, count, grace) for count in expected]
        time.sleep(SETTLE)
        server.terminate()

        for call, count in zip(calls, expected, strict=True):
            came = call.result().must_succeed().array("y").ravel().tolist()
            assert came == [count], f"a call that was accepted for {count} was answered {came}"


def _spin(target: Target, iterations: int, timeout: float) -> GrpcExchange:
    count = typed("iterations", "INT64", [1, 1], [iterations])
    return target.grpc.infer("spin", inputs=[count], timeout=timeout)


@requirement("K8S-TERM-008", name="queued")
def test_what_waits_in_the_queue_is_executed(target: Target) -> None:
    """A request that was accepted is owed an answer, executed or not at the signal."""
    _must_claim_batching(target)
    grace = grace_seconds(target)
    with ending(target) as server, server.holding(4 * work_seconds(target, CALLERS)) as running:
        shorter = running.expected[0] // 8
        with server.asking(range(shorter, shorter + CALLERS)) as queued:
            server.terminate()

            must_be_answered(running.answers(grace), running.expected)
            must_be_answered(queued.answers(grace), queued.expected)


@requirement("K8S-TERM-008", name="forming")
def test_a_batch_that_still_waits_for_company_is_executed(target: Target) -> None:
    """Who comes in the last moment before the signal is in a batch that is not complete."""
    _must_claim_batching(target)
    values = range(1, CALLERS + 1)
    with ending(target, "witness") as server:
        messages = [witnessing([float(value)]).message(server.target) for value in values]
        burst(server.target.rest, messages)  # some wait for company only when there was some
        with open_burst(server.target.rest, messages) as pending:
            time.sleep(batching_delay(target) / 2)
            server.terminate()
            answers = [one.read(grace_seconds(target)) for one in pending]

    must_be_answered(answers, values)


def _must_claim_batching(target: Target) -> None:
    if not target.claims("batching"):
        raise NotApplicable("the target claims no batching")


@requirement("K8S-TERM-005", name="rest")
def test_late_requests_over_rest_are_refused_cleanly(target: Target) -> None:
    """A client that is told so asks another replica; one that is told 404 believes it."""
    with _late(target) as server, server.target.rest.connect() as kept:
        server.terminate()
        server.wait_until(delay_seconds(target) + LATE)
        fresh = _ask(server)
        kept.send(spinning(1).message(server.target))
        again = kept.recv_answer(timeout=ANSWER)

    target.record("a late request on a new connection", _manner(fresh, "refused"))
    target.record("a late request on a kept connection", _manner(again, "closed"))


@requirement("K8S-TERM-005", name="grpc")
def test_late_calls_over_grpc_are_refused_cleanly(target: Target) -> None:
    """A gRPC client calls again elsewhere at UNAVAILABLE, and at hardly anything else."""
    with _late(target) as server:
        server.terminate()
        server.wait_until(delay_seconds(target) + LATE)
        server.target.close()  # a channel of its own
        late = _spin(server.target, 1, ANSWER)

    target.record("a late call over gRPC", late.code.name)
    clean = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.OK)
    assert late.code in clean, f"a late call is answered {late.code.name}, not UNAVAILABLE"


@contextmanager
def _late(target: Target) -> Iterator[Ending]:
    """A server that has work beyond its delay, which keeps it from its exit."""
    length = delay_seconds(target) + LATE + HELD
    if length > grace_seconds(target) * 0.8:
        raise Invalid(f"the grace is too short for work of {length:g} s that holds up the exit")
    with ending(target) as server, server.holding(length):
        yield server


def _ask(server: Ending) -> Exchange:
    """Asks on a connection of its own."""
    with open_burst(server.target.rest, [spinning(1).message(server.target)]) as (late,):
        return late.read(ANSWER)


def _manner(exchange: Exchange, unanswered: str) -> str:
    """How a late request was dealt with; FAIL unless it was served, or refused in order.

    No answer at all is in order where the server has stopped to listen, or has closed a connection
    that was idle: a client may send such a request again.
    """
    if exchange.failure is not None:
        assert "no answer within" not in exchange.failure, f"a late request: {exchange.failure}"
        return unanswered
    if exchange.status == 200:
        return "served"
    status = exchange.status
    assert status in (429, 503), f"a late request is answered {status}, not 503"
    assert exchange.error(), "the refusal of a late request has no error text"
    tokens = (exchange.header("Connection") or "").lower()
    assert "close" in tokens, "the refusal of a late request does not say Connection: close"
    return f"refused with {status}"
