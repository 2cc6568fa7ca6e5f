"""Inferences that can be asked alone, or many at the same moment."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from servespec.fixtures.ticks import ticks
from servespec.target.exchange import Exchange
from servespec.target.target import Target
from servespec.target.traffic import burst, open_burst, read_all

from .strategies import request, tensor

__all__ = [
    "SECONDS",
    "Answer",
    "Question",
    "asked_at",
    "executions_between",
    "queueing",
    "rush",
    "spin_of",
    "spinning",
    "witnessing",
]

SECONDS = 20.0
"""Harness: how long an answer is waited for."""
CALIBRATION = 200  # iterations of spin: some 20 ms
TICKS = 200_000
"""Executions since the load of a model among which one is found again."""


@dataclass(frozen=True, slots=True)
class Question:
    """An inference that can be asked alone, or as one of many at the same moment."""

    fixture: str
    body: Mapping[str, Any]
    version: str | None = None

    def ask(self, target: Target) -> Exchange:
        """Asks it by itself."""
        body, version = self.body, self.version
        return target.rest.infer(self.fixture, body, version=version, timeout=SECONDS)

    def message(self, target: Target) -> bytes:
        """The whole request as bytes."""
        return target.rest.message(self.fixture, self.body, version=self.version)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back to a question, and when: in seconds from the first of them."""

    exchange: Exchange
    done: float


def asked_at(
    target: Target, moments: Sequence[float], questions: Sequence[Question]
) -> list[Answer]:
    """Asks each question at its moment, in seconds from now, and waits for no answer before."""
    messages = [question.message(target) for question in questions]
    began = time.monotonic()
    with ExitStack() as stack:
        pending = []
        for moment, message in zip(moments, messages, strict=True):
            time.sleep(max(0.0, began + moment - time.monotonic()))
            pending += stack.enter_context(open_burst(target.rest, [message]))
        exchanges = read_all(target.rest, pending, SECONDS)
        done = [one.done - began for one in pending]
    return [Answer(*pair) for pair in zip(exchanges, done, strict=True)]


def witnessing(values: Sequence[float], **more: Any) -> Question:
    """Asks `witness` for a row of each value."""
    return Question("witness", request(tensor("x", "FP32", [len(values), 1], values), **more))


def spinning(iterations: int, rows: int = 1) -> Question:
    """Asks `spin` for so many iterations: the execution of any number of rows takes as long."""
    data = [iterations] * rows
    return Question("spin", request(tensor("iterations", "INT64", [rows, 1], data)))


def queueing(iterations: int, number: int = 0, **more: Any) -> Question:
    """Asks `queued` for so many iterations, and for a number of the caller's own to come back.

    Two rows, which fill a batch where a server wants batches to have a queue.
    """
    x = tensor("iterations", "INT64", [2, 1], [iterations, -number])
    return Question("queued", request(x, **more))


def spin_of(target: Target, seconds: float, question: Callable[[int], Question] = spinning) -> int:
    """How many iterations of `spin` take so long on the target, measured now.

    The shortest of a few times is the one that nothing else disturbed.
    """
    idle, busy = (
        min(question(count).ask(target).must_succeed().seconds for _ in range(7))
        for count in (0, CALIBRATION)
    )
    return max(1, round(seconds * CALIBRATION / max(busy - idle, 1e-3)))


def rush(target: Target, callers: int, seconds: float) -> Sequence[Exchange]:
    """What so many are answered who ask `queued` at once, each for so many seconds of work."""
    iterations = spin_of(target, seconds, queueing)
    questions = [queueing(iterations, number) for number in range(1, 1 + callers)]
    return burst(target.rest, [one.message(target) for one in questions], timeout=SECONDS).exchanges


def executions_between(before: Exchange, after: Exchange) -> int | None:
    """How many executions of a model lie between two, told by their `tick`.

    None where that cannot be told: ticks of another runtime, of different instances.
    """
    first, last = (exchange.array("tick").ravel()[0] for exchange in (before, after))
    sequence = ticks(TICKS)
    starts, ends = (np.flatnonzero(sequence == np.float32(tick)) for tick in (first, last))
    steps = [int(end - start) - 1 for start in starts for end in ends if end > start]
    return min(steps, default=None)
