"""Calls whose caller has left: nobody waits for the answer, so nobody should work for it."""

import time
from dataclasses import dataclass

import grpc
import pytest

from servespec.target.exchange import GrpcExchange
from servespec.target.outcomes import Untestable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from .calling import repeat
from .messages import typed

ONE_CALL = 0.08  # seconds of work, about
PATIENCE = 0.15  # seconds until the callers leave
MOST_CALLS = 256


@dataclass(frozen=True, slots=True)
class Crowd:
    """So many calls at once that one of them waits for several others.

    Attributes:
        one: one of them, alone.
        calls: how many.
        seconds: how long the target takes over all of them.
    """

    one: GrpcExchange
    calls: int
    seconds: float


@pytest.fixture(scope="module")
def crowd(target: Target) -> Crowd:
    """Scaled to the target: it is slow or fast, and computes one call or several at a time."""
    # Each call fills a batch: calls that share an execution do not wait for one another.
    rows = int(target.claim("batching", "max_rows", 1))
    quickest = min(_spin(target, 200, rows).seconds for _ in range(5))
    one, calls = _spin(target, round(200 * ONE_CALL / quickest) + 1, rows), 16
    while calls <= MOST_CALLS:
        started = time.monotonic()
        codes = {call.code() for call in repeat(target, one, calls, timeout=60.0)}
        seconds = time.monotonic() - started
        if codes != {grpc.StatusCode.OK}:
            raise Untestable(f"{calls} calls at once ended with {codes}")
        if seconds > 6 * ONE_CALL:
            return Crowd(one, calls, seconds)
        calls *= 2
    raise Untestable(f"the target computes {MOST_CALLS} calls at once, so that none has to wait")


@requirement("OIP-GRPC-SVC-011", kind="saturating")
def test_work_past_its_deadline_is_dropped(target: Target, crowd: Crowd) -> None:
    """After a jam whose callers gave up, the next caller is served at once."""
    started = time.monotonic()
    calls = repeat(target, crowd.one, crowd.calls, timeout=PATIENCE)
    codes = [call.code() for call in calls]
    left = time.monotonic() - started
    next_one = _spin(target, 1)

    late = grpc.StatusCode.DEADLINE_EXCEEDED
    assert codes[-1] is late, f"past its deadline a call ended with {codes[-1].name}"
    assert left < PATIENCE + 1.0, f"the deadline was {PATIENCE} s, the calls ended after {left} s"
    _must_be_dropped(crowd, next_one)


@requirement("OIP-GRPC-SVC-012", kind="saturating")
def test_a_cancelled_call_frees_its_place(target: Target, crowd: Crowd) -> None:
    """A user who presses Stop takes nothing from the others any longer."""
    calls = repeat(target, crowd.one, crowd.calls, timeout=60.0)
    assert calls[0].code() is grpc.StatusCode.OK, f"a call ended with {calls[0].code().name}"
    for call in calls:
        call.cancel()
    next_one = _spin(target, 1)

    _must_be_dropped(crowd, next_one)


def _must_be_dropped(crowd: Crowd, next_one: GrpcExchange) -> None:
    # Who is served at once waits for one of the calls, who is not for nearly all of them.
    assert next_one.seconds < crowd.seconds / 4, (
        f"{crowd.calls} callers left, and the next one waited {next_one.seconds:.2f} s:"
        f" answering all of them took {crowd.seconds:.2f} s"
    )


def _spin(target: Target, iterations: int, rows: int = 1) -> GrpcExchange:
    """A call of `spin`; where no call alone can fill a batch, of its like that is not batched."""
    fixture = "queued" if target.claim("batching", "max_requests") else "spin"
    x = typed("iterations", "INT64", [rows, 1], [iterations] * rows)
    return target.grpc.infer(fixture, inputs=[x]).must_succeed()
