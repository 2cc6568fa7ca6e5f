"""The parameter `timeout`: microseconds after which a request is of no use any more."""

from grpc import StatusCode

from servespec.target.exchange import Exchange
from servespec.target.outcomes import Untestable
from servespec.target.target import Target
from servespec.target.traffic import open_burst
from servespec.verdicts.requirement import requirement
from servespec.wire import proto as pb

from ..grpc.messages import typed
from ..questions import queueing
from .waiting import SETTLE, jam

TIMEOUT = 0.1
MICROSECONDS = round(TIMEOUT * 1e6)
PATIENCE = 10.0


@requirement("EXT-SCHED-002", name="rest", kind="saturating", fixtures=["queued"])
def test_who_waits_too_long_learns_it_over_rest(target: Target) -> None:
    """A client with half a second left is told in time that it will not be served."""
    with jam(target) as ahead:
        late = queueing(ahead.work, parameters={"timeout": MICROSECONDS}).ask(target)

    _must_be_an_error(late.must_answer_at_all(), late.seconds)
    target.record("status of a request that timed out", late.status)
    target.record("told after", f"{late.seconds:.2f} s of {TIMEOUT:g} s")


def _must_be_an_error(exchange: Exchange, seconds: float) -> None:
    if exchange.status == 200 and seconds < TIMEOUT:
        raise Untestable("the target runs requests side by side: none of them waits")
    assert exchange.status >= 400, (
        f"a request with a timeout of {TIMEOUT:g} s is answered {exchange.status} after"
        f" {seconds:.2f} s"
    )
    assert exchange.error(), "the error of a request that timed out says nothing"


@requirement("EXT-SCHED-002", name="grpc", kind="saturating", fixtures=["queued"])
def test_who_waits_too_long_learns_it_over_grpc(target: Target) -> None:
    """A client learns it on whichever plane it asks."""
    timeout = {"timeout": pb.InferParameter(int64_param=MICROSECONDS)}
    with jam(target) as ahead:
        x = typed("iterations", "INT64", [2, 1], [ahead.work, 0])
        late = target.grpc.infer("queued", inputs=[x], parameters=timeout, timeout=PATIENCE)

    served = late.code is StatusCode.OK
    if served and late.seconds < TIMEOUT:
        raise Untestable("the target runs requests side by side: none of them waits")
    assert not served, (
        f"a call with a timeout of {TIMEOUT:g} s is answered after {late.seconds:.2f} s"
    )
    target.record("code of a call that timed out", late.code.name)
    assert late.details, "the error of a call that timed out says nothing"


@requirement("EXT-SCHED-003", kind="saturating", fixtures=["queued"])
def test_who_has_timed_out_is_passed_over(target: Target) -> None:
    """A client does not wait for the answers to those who gave up."""
    with jam(target) as ahead:
        leavers = ahead.leavers(parameters={"timeout": round(SETTLE / 2 * 1e6)})
        messages = [question.message(target) for question in leavers]
        with open_burst(target.rest, messages) as pending:
            ahead.must_pass_over()
            for one in pending:
                status = one.read(PATIENCE).must_answer_at_all().status
                assert status >= 400, f"a request that timed out is answered {status}"
