"""What a client is told that comes when the queue is full."""

import re
from collections.abc import Sequence
from email.utils import parsedate_to_datetime

import grpc

from servespec.target.exchange import Exchange
from servespec.target.outcomes import NotApplicable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..grpc.calling import repeat
from ..grpc.messages import typed
from ..judging import BUSY
from ..questions import queueing, rush, spin_of

CALLERS = 48
"""At once: more than anybody keeps waiting who wants to answer in time."""
EXECUTION = 0.02
SECONDS = 20.0
FULL = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)


@requirement("HTTP-011", kind="saturating", fixtures=["queued"])
def test_who_is_too_many_is_told_so_by_the_status(target: Target) -> None:
    """A client library knows from the status alone that it may ask again."""
    for exchange in _refusals(target):
        assert exchange.status in BUSY, f"of {CALLERS} at once one is answered {exchange.status}"
        assert exchange.error(), "the refusal says nothing"
        target.record("status of a refusal", exchange.status)


@requirement("HTTP-012", kind="saturating", fixtures=["queued"])
def test_who_is_too_many_is_told_when_to_come_again(target: Target) -> None:
    """Clients that are refused do not all come back at once."""
    refusals = [exchange for exchange in _refusals(target) if exchange.status in BUSY]
    if not refusals:
        raise NotApplicable("nobody is answered 429 or 503")
    for exchange in refusals:
        value = exchange.header("Retry-After")
        assert value is not None, f"a {exchange.status} has no Retry-After"
        assert _is_a_moment(value), f"Retry-After: {value!r} is no number and no date"


def _refusals(target: Target) -> Sequence[Exchange]:
    """The answers, of a crowd at once, other than 200.

    Raises:
        NotApplicable: there are none.
    """
    answers = rush(target, CALLERS, EXECUTION)
    refusals = [answer for answer in answers if answer.must_answer_at_all().status != 200]
    if not refusals:
        raise NotApplicable(f"all of {CALLERS} requests at once are answered")
    return refusals


def _is_a_moment(value: str) -> bool:
    if re.fullmatch(r"\d+", value):
        return True
    try:
        parsedate_to_datetime(value)
    except ValueError:
        return False
    return True


@requirement("LOAD-001", name="grpc", kind="saturating", fixtures=["queued"])
def test_who_is_too_many_is_told_so_over_grpc(target: Target) -> None:
    """A client of either plane knows an overload from a mistake of its own."""
    x = typed("iterations", "INT64", [2, 1], [spin_of(target, EXECUTION, queueing), 0])
    one = target.grpc.infer("queued", inputs=[x]).must_succeed()
    codes = [call.code() for call in repeat(target, one, CALLERS, timeout=SECONDS)]
    refused = [code for code in codes if code is not grpc.StatusCode.OK]
    target.record("codes of refusals", ", ".join(sorted({code.name for code in refused})))
    if not refused:
        raise NotApplicable(f"all of {CALLERS} calls at once are answered")

    others = [code.name for code in refused if code not in FULL]
    assert not others, f"of {CALLERS} calls at once one ends with {others[0]}"
