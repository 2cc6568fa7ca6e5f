"""When requests are to be sent: offsets in seconds, made beforehand, the same for the same seed."""

from collections.abc import Sequence

import numpy as np

__all__ = ["Schedule", "constant", "poisson"]

Schedule = Sequence[float] | np.ndarray
"""Offsets in seconds, in ascending order."""


def constant(rate: float, seconds: float) -> np.ndarray:
    """At even distances, `rate` in each second, the first one at 0."""
    return np.arange(round(rate * seconds)) / rate


def poisson(rate: float, seconds: float, seed: int) -> np.ndarray:
    """As independent callers come: in a Poisson process, uniform given how many there are."""
    random = np.random.default_rng(seed)
    return np.sort(random.uniform(0, seconds, random.poisson(rate * seconds)))
