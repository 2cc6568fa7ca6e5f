"""More work than the engine can take, while somebody looks."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep
from typing import TypeVar

from servespec.target.outcomes import Invalid
from servespec.target.target import Target

from ..questions import spinning
from .kubelet import POLL_SECONDS, TIMEOUT_SECONDS

__all__ = ["while_saturated"]

LONG_SECONDS = 1.5 * TIMEOUT_SECONDS
SEEN_SECONDS = 1.2 * TIMEOUT_SECONDS
"""Harness: longer than a probe may take, so that a probe that waits for an inference is seen."""

SHORT_SECONDS = 0.05
ATTEMPTS = 3
FEW, MANY = 100, 500
ANSWER_SECONDS = 60.0
SHORTEST_SECONDS = 1e-6
"""Harness: no iteration is shorter, whatever the clock says of it."""

T = TypeVar("T")


def while_saturated(target: Target, ask: Callable[[], T], *, times: int = 2) -> list[T]:
    """What is answered every 10 ms while callers wait for the engine.

    One of them asks so many `times` for an inference of 1.5 s, the others for short ones until it
    has its answers. How many they are is what the target claims to bear, 16 unless it says.

    Raises:
        Invalid: three times the longest inference was answered too soon for a probe that waits
            for it to be late.
    """
    for attempt in range(1, ATTEMPTS + 1):
        answers, longest = _looked(target, ask, times)
        target.record(f"shortest of the long inferences, s, attempt {attempt}", f"{longest:.2f}")
        if longest > SEEN_SECONDS:
            return answers
    raise Invalid(
        f"the longest inference was answered within {SEEN_SECONDS:g} s: a probe that waited for it "
        "would not have been late"
    )


def _looked(target: Target, ask: Callable[[], T], times: int) -> tuple[list[T], float]:
    """The answers, and how long the caller of long inferences waited at least for one."""
    iteration = _seconds_of_an_iteration(target)
    callers = int(target.claim("overload", "concurrency", 16))
    over = threading.Event()

    def ask_long() -> float:
        try:
            return min(_spin(target, LONG_SECONDS / iteration) for _ in range(times))
        finally:
            over.set()

    def ask_short() -> None:
        while not over.is_set():
            _spin(target, SHORT_SECONDS / iteration)

    with ThreadPoolExecutor(callers) as threads:
        longest = threads.submit(ask_long)
        others = [threads.submit(ask_short) for _ in range(callers - 1)]
        answers = []
        while not over.is_set():
            answers.append(ask())
            sleep(POLL_SECONDS)
    for other in others:
        other.result()
    return answers, longest.result()


def _seconds_of_an_iteration(target: Target) -> float:
    """From the difference of two lengths: what a request costs besides is in both."""
    few, many = (min(_spin(target, count) for _ in range(3)) for count in (FEW, MANY))
    return max((many - few) / (MANY - FEW), SHORTEST_SECONDS)


def _spin(target: Target, iterations: float) -> float:
    """Seconds that one caller waits for so many iterations; a refusal is an answer as well."""
    question = spinning(max(1, int(iterations)))
    began = monotonic()
    target.rest.infer(question.fixture, question.body, timeout=ANSWER_SECONDS)
    return monotonic() - began
