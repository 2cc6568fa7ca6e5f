"""What a kubelet makes of the answers to its probes."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from servespec.target.exchange import Exchange
from servespec.target.instance import Instance
from servespec.target.outcomes import Nonconformance

__all__ = [
    "POLL_SECONDS",
    "START_SECONDS",
    "TIMEOUT_SECONDS",
    "asking",
    "await_yes",
    "polled",
    "succeeds",
]

TIMEOUT_SECONDS = 1.0
"""Binding: timeoutSeconds of a probe, where a manifest says nothing else."""

POLL_SECONDS = 0.01

START_SECONDS = 120.0
"""Harness: how long a start may take before it is given up."""

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


def asking(
    instance: Instance, ask: Callable[[], T], what: str, *, within: float = START_SECONDS
) -> Iterator[T]:
    """The answers of a server, every 10 ms, until the caller has seen enough.

    Raises:
        Nonconformance: `what` did not happen before the server's end, or within so many seconds.
    """
    for answer in polled(ask, within):
        yield answer
        if death := instance.alive():
            raise Nonconformance(f"{what}: {death}")
    raise Nonconformance(f"{what} within {within:g} s")


def await_yes(
    instance: Instance, says: Callable[[], bool], what: str, *, within: float = START_SECONDS
) -> None:
    """Ask until the answer is yes; what raises is the same."""
    any(asking(instance, says, what, within=within))
