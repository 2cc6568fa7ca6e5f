"""New connections, kept ones and probes between the signal and the exit."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from servespec.target.exchange import Exchange
from servespec.target.target import Target
from servespec.target.traffic import open_burst
from servespec.verdicts.requirement import requirement
from servespec.wire import proto as pb

from ..questions import spinning
from .ending import (
    Ending,
    delay_seconds,
    ending,
    grace_seconds,
    must_be_answered,
)
from .goaway import must_say_goaway, open_http2

POLL = 0.05
LEAST_DELAY = 0.5
"""Seconds that a target without a claim is asked to serve on: far less than Kubernetes takes to
remove an endpoint."""

SHARE = 0.7
"""Harness: of the delay, in which new requests are sent; the rest is for their answers."""

NOTICE = 0.3
"""Harness: seconds after the signal from which readiness has to be false."""

LEAVING = 0.5
"""Harness: seconds before the exit in which the server may not answer a probe any more."""

HOLD = 2.0
"""Binding: seconds by which idle connections may put off the exit."""

IDLE = 50
HELD = 1.0


@requirement("K8S-TERM-003", name="rest")
def test_new_requests_over_rest_are_served_for_a_while(target: Target) -> None:
    """Balancers learn late that a replica leaves: what they send it until then is not lost."""
    with ending(target) as server:
        server.terminate()
        _must_serve(target, server, lambda: _new_request(server))


@requirement("K8S-TERM-003", name="grpc")
def test_new_calls_over_grpc_are_served_for_a_while(target: Target) -> None:
    """The same holds for a client that opens a new channel."""

    def call() -> str | None:
        server.target.close()  # each call on a channel of its own
        answer = server.target.grpc.call("ServerLive", pb.ServerLiveRequest(), timeout=2.0)
        return None if answer.code.name == "OK" else answer.code.name

    with ending(target) as server:
        server.terminate()
        _must_serve(target, server, call)


def _must_serve(target: Target, server: Ending, ask: Callable[[], str | None]) -> None:
    """Ask again and again while the target claims to serve; FAIL at the first that it does not."""
    window = SHARE * (delay_seconds(target) or LEAST_DELAY)
    asked = 0
    while (moment := server.since()) < window:
        failure = ask()
        assert failure is None, f"a request {moment:.2f} s after SIGTERM was not served: {failure}"
        asked += 1
        time.sleep(POLL)
    target.record("new requests served after SIGTERM", asked)


def _new_request(server: Ending) -> str | None:
    with open_burst(server.target.rest, [spinning(1).message(server.target)]) as (new,):
        exchange = new.read(2.0)
    return exchange.failure or (None if exchange.status == 200 else f"status {exchange.status}")


@dataclass(frozen=True, slots=True)
class Poll:
    """What the probes said at a moment after the signal."""

    seconds: float
    ready: Exchange
    live: Exchange


@requirement("K8S-TERM-004")
def test_a_leaving_server_is_live_and_not_ready(target: Target) -> None:
    """Not ready takes it out of the balancer; not live would have it killed at its work."""
    polls: list[Poll] = []
    with ending(target) as server, server.holding(delay_seconds(target) + HELD):
        server.terminate()
        while server.instance.alive() is None and server.since() < grace_seconds(target):
            moment = server.since()
            polls.append(Poll(moment, server.target.probe("ready"), server.target.probe("live")))
            time.sleep(POLL)
        gone = server.since()

    late = [poll for poll in polls if poll.seconds > NOTICE]
    assert late, f"the server was gone {gone:.2f} s after SIGTERM, with work in flight"
    for poll in late:
        ready = poll.ready.status
        assert ready != 200, f"it is still ready {poll.seconds:.2f} s after SIGTERM"
    for poll in polls:
        dead = poll.live.status != 200 and poll.seconds < gone - LEAVING
        assert not dead, f"it was not live {poll.seconds:.2f} s after SIGTERM: {_said(poll.live)}"


def _said(exchange: Exchange) -> str:
    return exchange.failure or f"status {exchange.status}"


@requirement("K8S-TERM-006", name="idle")
def test_idle_connections_do_not_hold_the_exit(target: Target) -> None:
    """Pools of clients keep connections for minutes; a deployment cannot wait for them."""
    without, beside = (_seconds_to_exit(target, idle) for idle in (0, IDLE))

    target.record("seconds from SIGTERM to the exit", f"{without:.1f}")
    target.record(f"the same with {IDLE} idle connections", f"{beside:.1f}")
    held = beside - without
    assert held < HOLD, f"{IDLE} idle connections held the exit up for {held:.1f} s"


def _seconds_to_exit(target: Target, idle: int) -> float:
    with ending(target) as server, ExitStack() as connections:
        for _ in range(idle):
            connection = connections.enter_context(server.target.rest.connect())
            connection.send(server.target.rest.head("GET", "/v2/health/live"))
            connection.recv_answer().must_succeed()
        server.target.close()  # which keeps one, too
        server.terminate()
        return server.instance.exit(grace_seconds(target)).seconds


@requirement("K8S-TERM-006", name="close")
def test_answers_after_the_signal_close_the_connection(target: Target) -> None:
    """A client that hears it opens its next connection elsewhere."""
    seconds = min(HELD, grace_seconds(target) / 2)  # a server may take a while to see the signal
    with ending(target) as server, server.holding(seconds) as held:
        server.terminate()
        answers = held.answers(grace_seconds(target))

    must_be_answered(answers, held.expected)
    tokens = (answers[0].header("Connection") or "").lower()
    assert "close" in tokens, "an answer after SIGTERM does not say Connection: close"


@requirement("K8S-TERM-007")
def test_grpc_connections_are_told_goaway(target: Target) -> None:
    """A gRPC client that gets GOAWAY moves on without losing a call."""
    with ending(target) as server, server.holding(delay_seconds(target) + HELD) as held:
        with open_http2(server.target.grpc.address, 5.0) as connection:
            server.terminate()
            must_say_goaway(connection, grace_seconds(target))
        must_be_answered(held.answers(grace_seconds(target)), held.expected)
