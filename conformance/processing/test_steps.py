"""A model's own preprocessing: it takes the time of its caller, and of nobody else."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from servespec.target.exchange import Exchange
from servespec.target.outcomes import Invalid, Untestable
from servespec.target.target import Target
from servespec.target.traffic import open_burst
from servespec.verdicts.requirement import requirement

from ..questions import Question
from ..strategies import request, tensor

STEP = 1.0
"""Seconds of the slow preprocessing."""
BOUND = 0.3
"""Binding: seconds in which another request is answered, which itself takes a few milliseconds.

Who waits for the step, or for a part of it, waits longer; a busy machine does not make it so long.
"""
SETTLE = 0.1
"""Harness: seconds after which the step has begun."""
ASKED = 10
PATIENCE = 10.0


@requirement("GUIDE-003", name="same model")
def test_a_slow_preprocessing_delays_no_request_to_its_model(target: Target) -> None:
    """A client with a short text does not wait for the one with the long one."""
    with _while_preprocessing(target) as server:
        _must_be_prompt(server, "slow_step")


@requirement("GUIDE-003", name="other models")
def test_a_slow_preprocessing_delays_no_request_to_other_models(target: Target) -> None:
    """A client of one model does not notice what another one does to its inputs."""
    with _while_preprocessing(target) as server:
        _must_be_prompt(server, "identity_fp32")


@contextmanager
def _while_preprocessing(target: Target) -> Iterator[Target]:
    """A server that is at a slow preprocessing; its caller gets the answer.

    Raises:
        Untestable: it runs no such step.
        Invalid: the step was over while others were still asked.
    """
    with target.fresh("slow_step", "identity_fp32") as instance:
        server = instance.target
        _asking(0.0, "slow_step").ask(server).must_succeed()
        _asking(0.0, "identity_fp32").ask(server).must_succeed()
        began = time.monotonic()
        with open_burst(server.rest, [_asking(STEP, "slow_step").message(server)]) as (slow,):
            time.sleep(SETTLE)
            yield server
            over = slow.begins(0.001)
            _must_have_slept(slow.read(PATIENCE), time.monotonic() - began)
        if over:
            raise Invalid(f"the others were asked for longer than the step took, {STEP:g} s")


def _asking(seconds: float, fixture: str) -> Question:
    return Question(fixture, request(tensor("x", "FP32", [1, 1], [seconds])))


def _must_have_slept(answer: Exchange, seconds: float) -> None:
    came = answer.must_succeed().values("y")
    if seconds < STEP:
        raise Untestable("the target hosts slow_step without its preprocessing")
    assert came == [STEP], f"the slow request, for {STEP:g}, is answered {came}"


def _must_be_prompt(server: Target, fixture: str) -> None:
    """FAIL unless each of some requests is answered in time."""
    for _ in range(ASKED):
        answer = _asking(0.0, fixture).ask(server).must_succeed()
        assert answer.values("y") == [0.0], f"a request for 0 is answered {answer.values('y')}"
        assert answer.seconds <= BOUND, (
            f"a request to {fixture} took {answer.seconds * 1e3:.0f} ms while another one's"
            f" preprocessing took {STEP:g} s"
        )
