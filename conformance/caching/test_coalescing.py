"""Identical requests in flight: one execution, an answer for each, whoever leaves."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Thread

import pytest

from servespec.target.exchange import Exchange
from servespec.target.target import Target
from servespec.target.traffic import Pending, burst, must_be_close, open_burst
from servespec.verdicts.requirement import requirement

from ..grpc.messages import typed
from ..judging import admitted
from ..questions import Question, executions_between
from .asking import coalescing, nonce, over_grpc, slow, slow_of

RUN = 0.3
"""Seconds of the execution that all wait for: longer than a burst takes to be sent."""
CALLERS = 100
FOLLOWERS = 8
SETTLE = 0.1
"""Seconds after which the server has read what was sent, and has begun to execute."""
PATIENCE = 15.0


@requirement("CACHE-007", name="once", kind="saturating")
def test_identical_requests_in_flight_run_once(target: Target) -> None:
    """An operator pays once for what many clients ask at the same moment."""
    coalescing(target)
    question = slow_of(target, "coalesced", RUN)
    before = slow("coalesced", 0).ask(target)
    volley = burst(target.rest, [question.message(target)] * CALLERS, timeout=PATIENCE)
    must_be_close(volley, RUN)

    answers = [exchange for _, exchange in admitted(volley.exchanges)]
    _must_be_answered(question, answers)
    told = len({nonce(answer) for answer in answers})
    assert told == 1, f"{len(answers)} identical requests in flight were executed {told} times"
    _must_have_run_once(target, before)


@requirement("CACHE-007", name="leader leaves", kind="saturating")
@pytest.mark.parametrize("reset", [False, True], ids=["closes", "resets"])
def test_who_asked_first_and_leaves_takes_nobody_along(target: Target, reset: bool) -> None:
    """A client is answered, whoever asked the same before and gave up."""
    coalescing(target)
    question = slow_of(target, "coalesced", RUN)
    before = slow("coalesced", 0).ask(target)

    with (
        _in_flight(target, question, 1) as (leader,),
        _in_flight(target, question, FOLLOWERS) as followers,
    ):
        leader.abandon(reset=reset)
        answers = [one.read(PATIENCE) for one in followers]
    _must_be_answered(question, answers)
    _must_have_run_once(target, before)


@requirement("CACHE-007", name="follower leaves", kind="saturating")
def test_who_joined_and_leaves_takes_nobody_along(target: Target) -> None:
    """A client is answered, whoever asked the same besides and gave up."""
    coalescing(target)
    question = slow_of(target, "coalesced", RUN)
    before = slow("coalesced", 0).ask(target)

    with (
        _in_flight(target, question, 1) as (leader,),
        _in_flight(target, question, FOLLOWERS) as (leaver, *others),
    ):
        leaver.abandon(reset=True)
        answers = [one.read(PATIENCE) for one in (leader, *others)]
    _must_be_answered(question, answers)
    _must_have_run_once(target, before)


@requirement("CACHE-007", name="leader's deadline", kind="saturating")
def test_who_asked_first_and_runs_out_of_time_fails_nobody_else(target: Target) -> None:
    """A client with patience is answered, however little of it the first one had."""
    coalescing(target)
    plane = over_grpc(target)
    question = slow_of(target, "coalesced", RUN)
    (given,) = question.body["inputs"]
    x = typed("iterations", "INT64", given["shape"], given["data"])

    def ask_briefly() -> None:
        plane.infer("coalesced", inputs=[x], timeout=2 * SETTLE)

    leader = Thread(target=ask_briefly)
    leader.start()
    time.sleep(SETTLE)
    try:
        with _in_flight(target, question, FOLLOWERS) as followers:
            answers = [one.read(PATIENCE) for one in followers]
    finally:
        leader.join()
    _must_be_answered(question, answers)


@requirement("CACHE-007", name="all leave", kind="saturating")
def test_who_asks_after_all_have_left_is_answered(target: Target) -> None:
    """A client is answered, though everybody before gave up."""
    coalescing(target)
    question = slow_of(target, "coalesced", RUN)

    with _in_flight(target, question, FOLLOWERS) as pending:
        for one in pending:
            one.abandon(reset=True)
    time.sleep(SETTLE)  # so that the target has noticed
    _must_be_answered(question, [question.ask(target)])


@contextmanager
def _in_flight(target: Target, question: Question, callers: int) -> Iterator[list[Pending]]:
    with open_burst(target.rest, [question.message(target)] * callers) as pending:
        time.sleep(SETTLE)
        yield pending


def _must_be_answered(question: Question, answers: Sequence[Exchange]) -> None:
    wanted = question.body["inputs"][0]["data"]
    for answer in answers:
        came = answer.must_succeed().values("y")
        assert came == wanted, f"{wanted} is answered as {came}"


def _must_have_run_once(target: Target, before: Exchange) -> None:
    """Where its ticks tell how often the model ran since `before`."""
    executions = executions_between(before, slow("coalesced", 0).ask(target))
    target.record("executions", "not to be told" if executions is None else executions)
    assert executions in (None, 1), f"one request of many callers was executed {executions} times"
