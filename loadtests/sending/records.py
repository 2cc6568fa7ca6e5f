"""What became of every request: a row each from the beginning on, so that none can be lost."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Self

import numpy as np

__all__ = ["Fate", "Records"]


class Fate(IntEnum):
    """What became of a request. All but `ANSWERED` count as infinitely late."""

    PENDING = 0
    """It was not sent yet, or its answer has not come."""
    ANSWERED = 1
    REFUSED = 2
    """The target takes no work now: 429, 503 and their like."""
    FAILED = 3
    """Another error."""
    LOST = 4
    """No complete answer came, or none in time."""
    SHED = 5
    """The generator did not send it: it had as many under way as it may."""
    UNASKED = 6
    """The run was stopped before its moment."""


_TIMES = ("intended", "dispatched", "sent", "first", "done")
_CODES = ("status", "fate")


class Records:
    """Columns of a run, or of one worker's share of it; a row is a request.

    Times are seconds since the start of the schedule, NaN for what did not happen.

    Attributes:
        intended: when the schedule wanted it; in a closed loop, when the last query was complete.
        dispatched: when the generator began with it. Before lies its own lateness.
        sent: when its bytes went to the connection.
        first: when the answer began; for gRPC, when it was complete.
        done: when the answer was complete, or it was known that none would be.
        status: HTTP's, or gRPC's; -1 where none came.
        fate: what became of it, a `Fate`.
    """

    __slots__ = ("dispatched", "done", "fate", "first", "intended", "sent", "status")

    def __init__(self, columns: Mapping[str, np.ndarray]) -> None:
        self.intended = columns["intended"]
        self.dispatched = columns["dispatched"]
        self.sent = columns["sent"]
        self.first = columns["first"]
        self.done = columns["done"]
        self.status = columns["status"]
        self.fate = columns["fate"]

    @classmethod
    def planned(cls, intended: np.ndarray) -> Self:
        """The rows of a schedule before anything was sent."""
        count = len(intended)
        times = {name: np.full(count, np.nan) for name in _TIMES}
        times["intended"][:] = intended
        codes: dict[str, np.ndarray]
        codes = {"status": np.full(count, -1, np.int16), "fate": np.zeros(count, np.uint8)}
        return cls({**times, **codes})

    def __len__(self) -> int:
        return len(self.intended)

    def first_rows(self, count: int) -> Self:
        """A copy of those that are due first."""
        names = (*_TIMES, *_CODES)
        return type(self)({name: getattr(self, name)[:count].copy() for name in names})

    def pack(self, rows: np.ndarray) -> dict[str, bytes]:
        """The columns of some rows, to be sent to another process."""
        return {name: getattr(self, name)[rows].tobytes() for name in (*_TIMES, *_CODES)}

    def unpack(self, rows: np.ndarray, packed: Mapping[str, bytes]) -> None:
        """Fill rows with what another process packed."""
        for name in (*_TIMES, *_CODES):
            column = getattr(self, name)
            column[rows] = np.frombuffer(packed[name], column.dtype)

    def response_seconds(self) -> np.ndarray:
        """From the intended moment to the answer; infinite for what was not answered."""
        return self._answered(self.done - self.intended)

    def service_seconds(self) -> np.ndarray:
        """The same from the dispatch on: without the lateness of the generator."""
        return self._answered(self.done - self.dispatched)

    def lag_seconds(self) -> np.ndarray:
        """By how much each that was dispatched was late."""
        lag = self.dispatched - self.intended
        return np.asarray(lag[~np.isnan(lag)])

    def settled(self) -> np.ndarray:
        """Which of them were asked, and have their fate."""
        return np.isin(self.fate, (Fate.PENDING, Fate.UNASKED), invert=True)

    def counts(self) -> Mapping[Fate, int]:
        """How many had each fate."""
        return {fate: int(np.count_nonzero(self.fate == fate)) for fate in Fate}

    def _answered(self, seconds: np.ndarray) -> np.ndarray:
        return np.where(self.fate == Fate.ANSWERED, seconds, np.inf)
