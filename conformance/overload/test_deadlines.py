"""Deadlines that pass while a request waits, while it is executed, while it is answered."""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from grpc import StatusCode

from servespec.target.outcomes import Invalid, NotApplicable, Untestable
from servespec.target.target import Target
from servespec.target.traffic import open_burst
from servespec.verdicts.requirement import requirement

from ..grpc.calling import repeat
from ..grpc.messages import Input, bare, raw, typed
from ..questions import queueing, spin_of
from ..strategies import SCALAR, request
from .waiting import LEAVERS, SETTLE, jam

DEADLINE = 0.1
TOLD = 0.3
"""Binding: so many seconds after its deadline a request has its error."""
LATE = (408, 503, 504)
ELEMENTS = 500_000
"""2 MB in each direction: less than any server's limit, more than a socket takes at once."""
MOMENTS = (0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""The deadlines, as shares of the time that such an answer takes."""
NEIGHBOUR = 1.0
"""Binding: seconds in which another caller is answered right afterwards."""
RUN = 1.6
"""Seconds of an execution that is given up soon after its begin."""
PATIENCE = 10.0


@requirement("LOAD-007", name="waiting", kind="saturating", fixtures=["queued"])
def test_a_call_whose_deadline_has_passed_is_passed_over(target: Target) -> None:
    """A client does not wait for answers that come too late for those who wanted them."""
    one = target.grpc.infer("queued", inputs=[_iterations(1)]).must_succeed()
    with jam(target) as ahead:
        message = target.grpc.message("queued", inputs=[_iterations(ahead.work)])
        leaver = replace(one, request=message.SerializeToString())
        calls = repeat(target, leaver, LEAVERS, timeout=SETTLE / 2)
        codes = {call.code() for call in calls}
        ahead.must_pass_over()

    names = sorted(code.name for code in codes)
    assert codes == {StatusCode.DEADLINE_EXCEEDED}, f"past their deadline calls ended with {names}"


@requirement("LOAD-007", name="header", kind="saturating", fixtures=["queued"])
def test_who_says_in_a_header_how_long_it_waits_is_told_in_time(target: Target) -> None:
    """A client behind a gateway gets its error before the gateway's own."""
    name = target.claim("overload", "deadline_header")
    if name is None:
        raise NotApplicable("no header is claimed in which a client says how long it waits")
    headers = {str(name): f"{DEADLINE:g}"}
    with jam(target) as ahead:
        body = queueing(ahead.work).body
        late = target.rest.infer("queued", body, headers=headers, timeout=PATIENCE)
        told = late.must_answer_at_all().seconds
        ahead.must_pass_over(left=1)

    assert late.status in LATE, f"{name}: {DEADLINE:g} is answered {late.status} in {told:.2f} s"
    assert told <= DEADLINE + TOLD, f"{name}: {DEADLINE:g} is answered after {told:.2f} s"


@requirement("LOAD-007", name="answering")
def test_a_deadline_in_the_middle_of_an_answer_harms_nobody(target: Target) -> None:
    """A client whose time is over takes neither the server nor another's answer along."""
    array = np.arange(ELEMENTS, dtype=np.float32).reshape(1, -1)
    x, content = bare("x", "FP32", array.shape), raw(array)

    def ask(timeout: float) -> tuple[StatusCode, float]:
        call = target.grpc.infer("identity_fp32", inputs=[x], raw=[content], timeout=timeout)
        if call.code is StatusCode.OK:
            assert raw(call.array("y")) == content, "an answer near its deadline is another one"
        return call.code, call.seconds

    whole = min(seconds for code, seconds in (ask(PATIENCE) for _ in range(3)))
    codes = []
    for share in MOMENTS:
        codes.append(ask(share * whole)[0])
        _must_serve_another(target)
    target.record("answers in time", f"{codes.count(StatusCode.OK)} of {len(codes)}")
    others = {code.name for code in codes} - {"OK", "DEADLINE_EXCEEDED"}
    assert not others, f"a call whose deadline passed while it was answered ended with {others}"
    assert ask(PATIENCE)[0] is StatusCode.OK, "the same call with time enough fails afterwards"


def _must_serve_another(target: Target) -> None:
    other = target.rest.infer("identity_fp32", request(SCALAR), timeout=PATIENCE).must_succeed()
    assert other.values("y") == SCALAR["data"], f"another caller got {other.values('y')}"
    assert other.seconds <= NEIGHBOUR, f"another caller waited {other.seconds:.2f} s"


@requirement("LOAD-008", name="deadline", kind="saturating", fixtures=["queued"])
def test_an_execution_past_its_deadline_is_ended(target: Target) -> None:
    """A client does not wait for the end of what nobody wants any more."""
    long = spin_of(target, RUN, queueing)
    one = target.grpc.infer("queued", inputs=[_iterations(1)]).must_succeed()
    message = target.grpc.message("queued", inputs=[_iterations(long)])
    leaver = replace(one, request=message.SerializeToString())

    (call,) = repeat(target, leaver, 1, timeout=2 * SETTLE)
    _must_give_way(target, lambda: call.code() is StatusCode.DEADLINE_EXCEEDED)


@requirement("LOAD-008", name="departure", kind="saturating", fixtures=["queued"])
def test_an_execution_whose_caller_has_left_is_ended(target: Target) -> None:
    """A user who presses Stop frees the engine for the next one."""
    long = spin_of(target, RUN, queueing)

    def leave() -> bool:
        time.sleep(SETTLE)
        running.abandon(reset=True)
        return True

    with open_burst(target.rest, [queueing(long).message(target)]) as (running,):
        _must_give_way(target, leave)


def _must_give_way(target: Target, leave: Callable[[], bool]) -> None:
    """FAIL unless who waits for an execution is served soon after its caller has left."""
    time.sleep(SETTLE / 2)
    with open_burst(target.rest, [queueing(1).message(target)]) as (waiting,):
        if waiting.begins(SETTLE / 2):
            raise Untestable("the target runs requests side by side: none of them waits")
        if not leave():
            raise Invalid("the execution was over before its deadline")
        left = time.monotonic()
        waiting.read(PATIENCE).must_succeed()
        waited = waiting.done - left

    target.record("next answer after the caller had left", f"{waited:.2f} s")
    assert waited < RUN / 2, (
        f"the next request waited {waited:.2f} s for an execution of {RUN:g} s that nobody waited"
        " for any longer"
    )


def _iterations(count: int) -> Input:
    return typed("iterations", "INT64", [2, 1], [count, 0])
