"""L = lambda W: whether the requests in flight are those that the records tell of.

Over a window the law is exact where arrivals and stays are cut at its ends (Little and Graves,
Little's Law, 2008; Kim and Whitt, Statistical analysis with Little's law, 2013): what was counted
in flight by other means has to agree with the records, or some of them are missing or wrong.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["Balance", "from_samples", "over_window"]


@dataclass(frozen=True, slots=True)
class Balance:
    """The two sides of the law.

    Attributes:
        in_flight: L, the mean number of requests in flight.
        rate: lambda, arrivals a second.
        seconds: W, the mean stay.
    """

    in_flight: float
    rate: float
    seconds: float

    @property
    def difference(self) -> float:
        """How far the sides are apart, as a share of the larger one; 0 where both are 0."""
        product = self.rate * self.seconds
        larger = max(self.in_flight, product)
        return abs(self.in_flight - product) / larger if larger else 0.0


def over_window(arrivals: ArrayLike, stays: ArrayLike, start: float, end: float) -> Balance:
    """Whether a window was steady: who was in flight in it, against who arrived in it.

    In flight is by the records, with what arrived before and what left after; W is the whole stay
    of those who arrived. A queue that grows or drains, and a window too short for its stays, set
    them apart.

    Args:
        arrivals: seconds, of all requests that may have been in flight in the window.
        stays: seconds that each took; infinite for what was never answered.
        start: of the window, seconds.
        end: of the window, after `start`.

    Raises:
        ValueError: nothing arrived in the window, or it has no length.
    """
    begun, stayed = _records(arrivals, stays)
    within = (begun >= start) & (begun < end)
    _some(within, start, end)
    in_flight = _overlap(begun, stayed, start, end).sum() / (end - start)
    rate = np.count_nonzero(within) / (end - start)
    return Balance(float(in_flight), float(rate), float(stayed[within].mean()))


def from_samples(
    counted: ArrayLike, arrivals: ArrayLike, stays: ArrayLike, start: float, end: float
) -> Balance:
    """Whether the records are complete: in flight as counted, against the same window's records.

    Args:
        counted: how many requests were in flight, at even distances in the window.
        arrivals: as in `over_window`, and so are the others.
        stays: cut at the ends of the window, as the law asks for.
        start: as above.
        end: as above.

    Raises:
        ValueError: as `over_window`, or nothing was counted.
    """
    counts = np.asarray(counted, dtype=float)
    begun, stayed = _records(arrivals, stays)
    present = _overlap(begun, stayed, start, end)
    _some(present > 0, start, end)
    if counts.size == 0:
        raise ValueError("expected counts of the requests in flight, found none")
    stays_within = present[present > 0]
    return Balance(
        float(counts.mean()), stays_within.size / (end - start), float(stays_within.mean())
    )


def _records(arrivals: ArrayLike, stays: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(arrivals, dtype=float), np.asarray(stays, dtype=float)


def _overlap(begun: np.ndarray, stayed: np.ndarray, start: float, end: float) -> np.ndarray:
    """How many seconds of each stay lie in the window."""
    return np.asarray(np.minimum(begun + stayed, end) - np.maximum(begun, start)).clip(min=0)


def _some(present: np.ndarray, start: float, end: float) -> None:
    if not end > start or not present.any():
        raise ValueError(f"expected requests between {start} and {end} s, found none")
