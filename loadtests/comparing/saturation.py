"""Whether a server falls behind for good: no need to drown it any longer."""

from dataclasses import dataclass

import numpy as np

from servespec.stats.distributions import student_quantile

from ..judging.gates import ACHIEVED, Run
from ..sending.records import Fate, Records

__all__ = ["Saturation", "Watched"]

_FEWEST = 8  # looks, before a slope is one
_SURE = 0.999


@dataclass(frozen=True, slots=True)
class Watched:
    """A run that may have been stopped.

    Attributes:
        run: what came of it.
        drowned: when it was stopped, in seconds of the schedule; None where it was not.
    """

    run: Run
    drowned: float | None

    @property
    def taken(self) -> np.ndarray:
        """Response times in seconds; of those under way when it was stopped, so far."""
        records = self.run.records
        asked = records.fate != Fate.UNASKED
        taken = records.response_seconds()
        if self.drowned is not None:
            left = asked & (records.fate == Fate.LOST)
            taken[left] = np.maximum(0.0, self.drowned - records.intended[left])
        return np.asarray(taken[asked])

    @property
    def sent_in_time(self) -> bool:
        """Whether the generator had sent, when it was stopped, what was due by then."""
        assert self.drowned is not None
        records = self.run.records
        due = records.intended <= self.drowned
        return bool(np.mean(records.dispatched[due] <= self.drowned) >= ACHIEVED)


class Saturation:
    """Looks again and again at a run that goes on.

    A server drowns where both grow: how many requests are under way, and how long these have been
    so (the rule of GuideLLM's over-saturation stopping). In a queue near its limit both grow for a
    while as well, and where some requests hang they grow until these are given up: so most requests
    have to be late, too.

    Args:
        bound: seconds that no request should be under way.

    Attributes:
        drowned: when that was seen, in seconds of the schedule; None where it was not.
    """

    def __init__(self, bound: float) -> None:
        self._bound = bound
        self._looks: list[tuple[float, float, float]] = []
        self.drowned: float | None = None

    def look(self, now: float, records: Records) -> bool:
        """Whether it drowns.

        Args:
            now: seconds of the schedule.
            records: as far as they are known.
        """
        began = records.dispatched[records.fate == Fate.PENDING]
        ages = now - began[~np.isnan(began)]
        self._looks.append((now, float(len(ages)), float(ages.mean()) if len(ages) else 0.0))
        moments, under_way, age = np.array(self._looks).T
        if self._are_late(now, records) and _rises(moments, under_way) and _rises(moments, age):
            self.drowned = now
        return self.drowned is not None

    def _are_late(self, now: float, records: Records) -> bool:
        """Whether most of those that began one to two bounds ago are under way still."""
        ago = now - records.dispatched
        left = records.fate[(ago >= self._bound) & (ago <= 2 * self._bound)] == Fate.PENDING
        return bool(np.count_nonzero(left) > len(left) / 2)


def _rises(moments: np.ndarray, values: np.ndarray) -> bool:
    """Whether the slope of a straight line through them is above zero (Student's t)."""
    count = len(moments)
    if count < _FEWEST:
        return False
    x = moments - moments.mean()
    slope = float(x @ values / (x @ x))
    rest = values - values.mean() - slope * x
    error = float(np.sqrt(rest @ rest / (count - 2) / (x @ x)))
    return slope > student_quantile(_SURE, count - 2) * error
