"""Connections under load: a client that keeps them pays for each of them once."""

from contextlib import ExitStack
from statistics import median

from servespec.target.connection import Connection
from servespec.target.exchange import Exchange
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..questions import Question
from ..strategies import SCALAR, request

CONNECTIONS, REQUESTS = 8, 200
LINGER = 0.1
"""Seconds in which a close behind the last answer is still noticed."""
COMPARED = 20
ONE = Question("identity_fp32", request(SCALAR))


@requirement("GUIDE-002", fixtures=["identity_fp32"])
def test_connections_are_used_again_under_load(target: Target) -> None:
    """A client does not pay for a new connection in the middle of the rush hour."""
    message = ONE.message(target)
    with ExitStack() as stack:
        connections = [stack.enter_context(target.rest.connect()) for _ in range(CONNECTIONS)]
        for number in range(REQUESTS // CONNECTIONS):
            for connection in connections:
                connection.send(message)
            for connection in connections:
                _must_stay(connection, number)
        more = [connection.has_more(LINGER) for connection in connections]
        closed = sum(connection.closed for connection in connections)

    assert not any(more), "bytes came that no request asked for"
    assert not closed, f"{closed} of {CONNECTIONS} connections were closed behind their requests"
    target.record("cost of a new connection, ms", f"{_reconnect_seconds(target) * 1e3:.2f}")


def _must_stay(connection: Connection, before: int) -> None:
    answer = connection.recv_answer()
    if connection.closed and answer.failure is not None:
        raise AssertionError(f"the server closed a connection behind {before} requests")
    answer.must_succeed()
    said = (answer.header("Connection") or "").lower()
    assert "close" not in said, f"the answer to request {before + 1} says Connection: close"


def _reconnect_seconds(target: Target) -> float:
    """How much longer a request takes on a connection of its own."""
    times = [
        median(_ask(target, fresh=fresh).seconds for _ in range(COMPARED))
        for fresh in (False, True)
    ]
    return times[1] - times[0]


def _ask(target: Target, *, fresh: bool) -> Exchange:
    return target.rest.infer(ONE.fixture, ONE.body, fresh=fresh).must_succeed()
