"""Hundreds of clients that take their time, and the others beside them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from servespec.target.target import Target
from servespec.target.traffic import Outcome, constant, open_burst
from servespec.verdicts.requirement import requirement

from ..questions import Question
from ..strategies import request, tensor
from .slow import crawling
from .surge import echoing
from .timing import Block, driven, measured, must_take_at_most, seconds_of

SLOW = 500
"""Clients at once."""
READERS, ELEMENTS = 16, 600_000
"""Clients that read none of so many numbers: more than the 4 MiB that a system keeps for each."""
RATE, SECONDS = 60.0, 1.0
"""What others ask meanwhile."""
SLOWER, LATE = 3.0, 0.02
"""Binding: the median beside slow clients, in times of that without them, and seconds besides."""
LONGEST = 0.5
"""Binding: seconds in which each of the others is answered."""
PATIENCE = 10.0


@requirement("HTTP-017", name="header", kind="may-kill", fixtures=["identity_fp32"])
def test_slow_headers_hold_up_nobody(target: Target) -> None:
    """A stranger with a laptop does not take the server from its users."""
    head = target.rest.head("POST", target.rest.infer_path("identity_fp32"))[:-2]

    _must_serve_others(target, partial(crawling, target, SLOW, head, b"X-Slow: 0123456789"))


@requirement("HTTP-017", name="body", kind="may-kill", fixtures=["identity_fp32"])
def test_slow_bodies_hold_up_nobody(target: Target) -> None:
    """A client in a tunnel does not hold up those in the city."""
    fields = ("Content-Type: application/json", "Content-Length: 1000")
    head = target.rest.head("POST", target.rest.infer_path("identity_fp32"), *fields)

    _must_serve_others(target, partial(crawling, target, SLOW, head, b'{"inputs": [{"name"'))


@requirement("HTTP-017", name="unread", kind="may-kill", fixtures=["identity_fp32"])
def test_who_does_not_read_holds_up_nobody(target: Target) -> None:
    """A client that has stopped to read its answer does not stop those of others."""
    data = tensor("x", "FP32", [1, ELEMENTS], [0.123456] * ELEMENTS)
    message = target.rest.message("identity_fp32", request(data))

    _must_serve_others(target, partial(_not_reading, target, message))


@contextmanager
def _not_reading(target: Target, message: bytes) -> Iterator[None]:
    """Clients to whom the target has begun to answer."""
    with open_burst(target.rest, [message] * READERS) as pending:
        for one in pending:
            assert one.begins(PATIENCE), f"no answer begins within {PATIENCE:g} s"
        yield


def _must_serve_others(target: Target, slow: Callable[[], AbstractContextManager[None]]) -> None:
    def judge() -> None:
        alone = _others(target)
        with slow():
            beside = _others(target)
        bound = SLOWER * seconds_of(alone.rows, 50)[0] + LATE
        must_take_at_most(target, bound, beside, beside.rows, "the answers to others", percent=50)
        must_take_at_most(
            target, LONGEST, beside, beside.rows, "the answers to others", percent=100
        )

    measured(target, judge)


def _others(target: Target) -> Block:
    """What becomes of the requests of others; all must be answered."""
    ask = echoing(target, _scalar)
    block = driven(target.rest, constant(RATE, SECONDS), ask)
    missed = [row for row in block.rows if row.outcome is not Outcome.ANSWERED]
    assert not missed, (
        f"{len(missed)} of {len(block.rows)} requests of others are not answered: the first is"
        f" {missed[0].outcome}: {missed[0].detail}"
    )
    return block


def _scalar(number: int) -> Question:
    return Question("identity_fp32", request(tensor("x", "FP32", [1, 1], [float(number)])))
