"""The search for the highest rate that still meets an objective, one trial after the other.

Sans-IO: it says which rate to try next; whoever asks runs the trial and says what came of it.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Capacity", "Search", "Trial"]


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one rate.

    Attributes:
        rate: offered, requests a second.
        met: whether the objective was met; a trial that could not tell did not meet it.
    """

    rate: float
    met: bool


@dataclass(frozen=True, slots=True)
class Capacity:
    """How the search ended.

    Attributes:
        rate: the highest rate that met the objective in every one of its trials; None where even
            the lowest did not.
        missed: the lowest rate that missed it; None where none did: the capacity may be higher.
    """

    rate: float | None
    missed: float | None


@dataclass(frozen=True, slots=True)
class Search:
    """Doubles or halves until the capacity lies between two rates, bisects, and confirms.

    A rate that was missed once is missed, and with it all higher ones. The rate that is found was
    met in `repeats` trials without a miss, as MLPerf's search for the Server scenario asks for.

    Attributes:
        first: the rate to begin with, requests a second.
        lowest: below it nothing is tried.
        highest: above it nothing is tried: what the generator can do.
        resolution: the two rates at the end differ by this share at most.
        repeats: how often the rate that is found has to meet the objective.
    """

    first: float
    lowest: float
    highest: float
    resolution: float = 0.05
    repeats: int = 5

    def __post_init__(self) -> None:
        """Refuse bounds between which there is nothing to search."""
        ordered = 0 < self.lowest <= self.first <= self.highest < math.inf
        if not ordered or self.resolution <= 0 or self.repeats < 1:
            raise ValueError(f"expected 0 < lowest <= first <= highest, and an end, found {self}")

    def next(self, trials: Sequence[Trial]) -> float | Capacity:
        """The rate to try after these trials, or what they found.

        Every trial that does not repeat a rate narrows the gap, so it ends.
        """
        missed = min((trial.rate for trial in trials if not trial.met), default=None)
        met = Counter(
            trial.rate for trial in trials if trial.met and (missed is None or trial.rate < missed)
        )
        if not met:
            return self._lower(missed)
        rate = max(met)
        if missed is None and rate < self.highest:
            return min(2 * rate, self.highest)
        if missed is not None and missed > rate * (1 + self.resolution):
            return math.sqrt(missed * rate)
        return rate if met[rate] < self.repeats else Capacity(rate, missed)

    def _lower(self, missed: float | None) -> float | Capacity:
        if missed is None:
            return self.first
        return max(missed / 2, self.lowest) if missed > self.lowest else Capacity(None, missed)
