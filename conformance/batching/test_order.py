"""Whose turn it is: first come, first served, and nobody is passed over for ever."""

import time
from collections.abc import Callable
from functools import partial
from statistics import median

from servespec.target.exchange import Exchange
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..judging import admitted
from ..questions import Question, asked_at, spin_of, spinning
from .crowds import full_house

QUEUED = 12
STEP = 0.008
"""Seconds from one request to the next, so that it is known who came first."""
EXECUTION = 0.015
"""Seconds: longer than a thread of ours may be late to see its answer."""
BLOCKED = 0.25
"""Seconds for which an execution holds the queue up, so that all of them wait in it."""
OVERTAKEN = 3
"""So many later ones may be answered before: some batches may run side by side."""
LOAD_SECONDS = 3.0
SMALL, LARGE = 12, 2
"""Callers with a quarter of a batch and with a whole one: always more than fit into one."""
RATIO = 5.0
"""A wait longer than so many times the median is starvation: the requirement's own bound."""
LATE = 0.2
"""Seconds besides, for our own lateness."""


@requirement("BATCH-009", name="order", kind="saturating")
def test_who_comes_first_is_served_first(target: Target) -> None:
    """A client that came earlier is not answered after all who came later."""
    most = full_house(target)
    blocker = spinning(spin_of(target, BLOCKED))
    brief = spinning(spin_of(target, EXECUTION), most)
    moments = [0.0, *((place + 1) * STEP for place in range(1, QUEUED + 1))]
    answers = asked_at(target, moments, [blocker] + [brief] * QUEUED)

    for answer in answers:
        answer.exchange.must_succeed()
    finished = {place: answer.done for place, answer in enumerate(answers) if place}
    for place, done in finished.items():
        later = (finished[other] for other in range(place + 1, QUEUED + 1))
        before = sum(seconds < done - EXECUTION for seconds in later)  # not those of one batch
        assert before <= OVERTAKEN, (
            f"{before} of {QUEUED} requests that came after number {place} were answered first"
        )


@requirement("BATCH-009", name="starvation", kind="saturating")
def test_neither_large_nor_small_requests_starve(target: Target) -> None:
    """A client is served in its turn, whatever the size of its request."""
    most, iterations = full_house(target), spin_of(target, EXECUTION)
    sizes = {"small": max(most // 4, 1), "large": most}
    waits: dict[str, list[float]] = {kind: [] for kind in sizes}
    until = time.monotonic() + LOAD_SECONDS
    calls: list[Callable[[], Exchange]] = [
        partial(_ask_until, until, spinning(iterations, sizes[kind]), waits[kind], target)
        for kind in ("small",) * SMALL + ("large",) * LARGE
    ]

    for _, exchange in admitted(target.rest.together(calls)):
        exchange.must_succeed()
    typical = median(waits["small"] + waits["large"])
    for kind, seconds in waits.items():
        longest = max(seconds)
        target.record(f"longest wait of a {kind} request", f"{longest / typical:.1f} x median")
        assert longest <= RATIO * typical + LATE, (
            f"a {kind} request waited {longest * 1000:.0f} ms, the median is"
            f" {typical * 1000:.0f} ms"
        )


def _ask_until(until: float, question: Question, waits: list[float], target: Target) -> Exchange:
    """Asks again and again; returns the last answer, or the first that was none."""
    while True:
        exchange = question.ask(target)
        waits.append(exchange.seconds)
        if exchange.status != 200 or time.monotonic() > until:
            return exchange
