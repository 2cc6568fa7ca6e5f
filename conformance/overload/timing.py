"""Times of requests, and when they say nothing of the target: it was we who were held up."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np

from servespec.target.outcomes import Invalid
from servespec.target.rest import RestPlane
from servespec.target.schedules import Schedule
from servespec.target.target import Target
from servespec.target.traffic import Ledger, Outcome, Question, Row, drive

__all__ = ["Block", "driven", "measured", "must_take_at_most", "seconds_of"]

ATTEMPTS = 4
BEAT = 0.002
HELD_UP = 0.02
"""Harness: a thread of ours that wakes up so many seconds late did not get its processor."""


class Pulse:
    """A thread that wakes up all the time, and notes when it could not."""

    def __init__(self) -> None:
        self.stalls: list[tuple[float, float]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._over.is_set():
            slept = time.monotonic()
            time.sleep(BEAT)
            woken = time.monotonic()
            if woken - slept - BEAT > HELD_UP:
                self.stalls.append((slept, woken))


@dataclass(frozen=True, slots=True)
class Block:
    """What became of the requests of a drive, and when we were held up meanwhile."""

    ledger: Ledger
    stalls: tuple[tuple[float, float], ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """All requests, in the order of the schedule."""
        return self.ledger.rows

    def of(self, outcome: Outcome) -> list[Row]:
        """The requests with that outcome."""
        return [row for row in self.rows if row.outcome is outcome]

    def undisturbed(self, rows: Iterable[Row]) -> list[Row]:
        """Those during which we were not held up."""
        return [row for row in rows if not any(self._touches(row, stall) for stall in self.stalls)]

    def _touches(self, row: Row, stall: tuple[float, float]) -> bool:
        began, ended = (moment - self.ledger.started for moment in stall)
        return row.intended < ended and began < row.done


def driven(
    plane: RestPlane,
    schedule: Schedule,
    ask: Callable[[int], Question],
    *,
    connections: int = 64,
    timeout: float = 10.0,
) -> Block:
    """Drive, and watch ourselves."""
    with Pulse() as pulse:
        ledger = drive(plane, schedule, ask, connections=connections, timeout=timeout)
    return Block(ledger, tuple(pulse.stalls))


def measured(target: Target, judge: Callable[[], None]) -> None:
    """Judge a block of traffic; again, up to three times, while it was we who spoilt it."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return judge()
        except Invalid as error:
            target.record(f"attempt {attempt}", error)
            spoilt = error
    raise spoilt


def seconds_of(rows: Iterable[Row], percent: float) -> tuple[float, float]:
    """A percentile of the times to the answers: from the intended moment, and from dispatch."""
    times = [(row.done - row.intended, row.done - row.dispatched) for row in rows]
    intended, dispatched = np.percentile(times, percent, axis=0).tolist()
    return intended, dispatched


def must_take_at_most(
    target: Target, bound: float, block: Block, rows: Sequence[Row], what: str, *, percent: float
) -> None:
    """FAIL when a percentile of the times is above the bound.

    Raises:
        Invalid: it is, but only since we were late to send them, or held up while they ran.
    """
    intended, dispatched = seconds_of(rows, percent)
    target.record(f"p{percent:g} of {what}", f"{intended * 1000:.1f} ms")
    if intended <= bound:
        return
    text = f"p{percent:g} of {what} is {intended * 1000:.0f} ms, not at most {bound * 1000:.0f} ms"
    calm = block.undisturbed(rows)
    if dispatched <= bound or (calm and seconds_of(calm, percent)[0] <= bound):
        raise Invalid(f"{text}; but we were held up ourselves for {len(rows) - len(calm)} of them")
    raise AssertionError(text)
