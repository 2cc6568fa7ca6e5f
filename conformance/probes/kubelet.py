"""What a kubelet makes of the answers to its probes."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from servespec.target.exchange import Exchange
from servespec.target.outcomes import Nonconformance

__all__ = ["POLL_SECONDS", "TIMEOUT_SECONDS", "await_yes", "polled", "succeeds"]

TIMEOUT_SECONDS = 1.0
"""Binding: timeoutSeconds of a probe, where a manifest says nothing else."""

POLL_SECONDS = 0.01

T = TypeVar("T")


def succeeds(exchange: Exchange) -> bool:
    """Whether a probe with this answer succeeded: in time, and a status of 200 to 399."""
    in_time = exchange.failure is None and exchange.seconds < TIMEOUT_SECONDS
    return in_time and 200 <= exchange.status < 400


def polled(ask: Callable[[], T], seconds: float) -> Iterator[T]:
    """The answers to a question that is asked every 10 ms, for so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield ask()
        time.sleep(POLL_SECONDS)


def await_yes(says: Callable[[], bool], seconds: float, what: str) -> None:
    """Poll until the answer is yes; FAIL when it is not within so many seconds."""
    if not any(polled(says, seconds)):
        raise Nonconformance(f"{what} within {seconds:g} s")
