"""Clients that vanish from a batch: waiting, while it runs, while they are answered."""

import time
from collections.abc import Sequence

import pytest

from servespec.target.target import Target
from servespec.target.traffic import Pending, open_burst
from servespec.verdicts.requirement import requirement

from ..questions import Question, executions_between, spin_of, spinning, witnessing
from ..strategies import request, tensor

CALLERS = 8
LEAVERS = (0, 3)
"""The first of the batch, and one in the middle."""
RUN = 0.3
"""Seconds of an execution: time enough to leave while it runs."""
SETTLE = 0.1
"""Seconds after which the server has read what was sent, and has begun to execute."""
PATIENCE = 10.0
"""Seconds in which the others must be answered: more than 8 executions one after the other."""
ELEMENTS = 600_000
"""Two outputs of them, in JSON, are more than the 4 MiB that a system keeps for a slow reader."""

leaving = pytest.mark.parametrize("reset", [False, True], ids=["closes", "resets"])


@requirement("BATCH-008", name="queued", kind="saturating")
@leaving
def test_who_leaves_the_queue_takes_nobody_along(target: Target, reset: bool) -> None:
    """A client waits beside strangers who give up, and is answered."""
    iterations = spin_of(target, RUN)
    crowd = [spinning(caller + 1) for caller in range(CALLERS)]

    with open_burst(target.rest, [spinning(iterations).message(target)]) as (blocker,):
        time.sleep(SETTLE)
        _leave_the_others(target, crowd, reset)
        _must_be_answered(blocker, [iterations])
    _record_executions_for_leavers(target)
    spinning(1).ask(target).must_succeed()


@requirement("BATCH-008", name="executing", kind="saturating")
@leaving
def test_who_leaves_while_the_batch_runs_takes_nobody_along(target: Target, reset: bool) -> None:
    """A client shares an execution with strangers who give up, and is answered."""
    iterations = spin_of(target, RUN)
    crowd = [spinning(iterations + caller) for caller in range(CALLERS)]

    _leave_the_others(target, crowd, reset)
    spinning(1).ask(target).must_succeed()


def _leave_the_others(target: Target, crowd: Sequence[Question], reset: bool) -> None:
    """Asks all at once; those who stay must be answered though some leave soon after."""
    with open_burst(target.rest, [question.message(target) for question in crowd]) as pending:
        time.sleep(SETTLE)
        for place in LEAVERS:
            pending[place].abandon(reset=reset)
        for place, question in enumerate(crowd):
            if place not in LEAVERS:
                _must_be_answered(pending[place], question.body["inputs"][0]["data"])


def _must_be_answered(pending: Pending, values: Sequence[float]) -> None:
    came = pending.read(PATIENCE).must_succeed().values("y")
    assert came == values, f"beside a client who left {values} came back as {came}"


def _record_executions_for_leavers(target: Target) -> None:
    """Records how often `witness` ran for a caller who left at once: its ticks tell."""
    before = witnessing([0.0]).ask(target).must_succeed()
    with open_burst(target.rest, [witnessing([1.0]).message(target)]) as (leaver,):
        leaver.abandon()
    time.sleep(SETTLE)
    ran = executions_between(before, witnessing([0.0]).ask(target).must_succeed())
    target.record(
        "executions for a caller who left at once", "not to be told" if ran is None else ran
    )


@requirement("BATCH-008", name="answering", kind="saturating")
def test_who_hangs_up_on_the_answer_takes_nobody_along(target: Target) -> None:
    """A client is answered in full beside a stranger who does not read to the end."""
    crowd = [_large(caller) for caller in range(3)]
    with open_burst(target.rest, [question.message(target) for question in crowd]) as pending:
        leaver, *others = pending
        assert leaver.begins(PATIENCE), f"no answer begins within {PATIENCE:g} s"
        leaver.abandon()  # which is a reset, as bytes are left unread
        for number, other in enumerate(others, 1):
            sums = other.read(PATIENCE).must_succeed().values("sum")
            right = sums == [number] * ELEMENTS
            assert right, f"beside a client who hung up, {number} and 0 are summed up wrongly"
    _large(1).ask(target).must_succeed()


def _large(number: int) -> Question:
    """Asks `add_sub` for the sums and differences of the number and 0."""
    terms = (("a", number), ("b", 0))
    return Question(
        "add_sub",
        request(*(tensor(name, "FP32", [1, ELEMENTS], [x] * ELEMENTS) for name, x in terms)),
    )
