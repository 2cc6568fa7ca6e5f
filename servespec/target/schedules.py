"""When requests are to be sent: offsets in seconds, made beforehand, the same for the same seed."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

__all__ = [
    "Schedule",
    "constant",
    "diurnal",
    "gamma",
    "poisson",
    "ramp",
    "spike",
    "step",
    "varying",
]

Schedule = Sequence[float] | np.ndarray
"""Offsets in seconds, in ascending order."""

_KNOTS = 97  # of the straight lines that stand for a sine: it is missed by 0.1 % at most


def constant(rate: float, seconds: float) -> np.ndarray:
    """At even distances, `rate` in each second, the first one at 0."""
    return np.arange(round(rate * seconds)) / rate


def poisson(rate: float, seconds: float, seed: int) -> np.ndarray:
    """As independent callers come: in a Poisson process, uniform given how many there are."""
    random = np.random.default_rng(seed)
    offsets = random.uniform(0, seconds, random.poisson(rate * seconds))
    offsets.sort()  # in place: a long schedule is not held twice
    return offsets


def gamma(rate: float, seconds: float, seed: int, variation: float) -> np.ndarray:
    """In bursts: the gaps have a gamma distribution of mean 1 / `rate`.

    Args:
        rate: in each second, on the whole.
        seconds: how long.
        seed: of the random numbers.
        variation: of the gaps, standard deviation over mean: 1 is a Poisson process, less is more
            even, more comes in bursts.
    """
    random = np.random.default_rng(seed)
    shape = variation**-2
    gaps = np.zeros(0)
    while gaps.sum() <= seconds:
        gaps = np.append(gaps, random.gamma(shape, 1 / (rate * shape), 1 + round(rate * seconds)))
    offsets = np.cumsum(gaps)
    return offsets[offsets < seconds]


def varying(course: Sequence[tuple[float, float]], seed: int) -> np.ndarray:
    """A Poisson process whose rate goes in straight lines from one (second, rate) to the next.

    The expected number up to each moment is inverted exactly: a unit process, its time warped.
    Two of the same second make the rate jump.
    """
    times, rates = np.array(course, float).T
    spans = np.diff(times)
    slopes = np.divide(np.diff(rates), spans, out=np.zeros(len(spans)), where=spans > 0)
    expected = np.append(0.0, np.cumsum(spans * (rates[1:] + rates[:-1]) / 2))
    random = np.random.default_rng(seed)
    marks = np.sort(random.uniform(0, expected[-1], random.poisson(expected[-1])))
    piece = np.searchsorted(expected, marks, side="right") - 1
    beyond, begun = marks - expected[piece], rates[piece]
    root = np.sqrt(np.maximum(0.0, begun**2 + 2 * slopes[piece] * beyond))
    return np.asarray(times[piece] + 2 * beyond / (begun + root))


def ramp(rate: float, last: float, seconds: float, seed: int) -> np.ndarray:
    """Evenly from `rate` up, or down, to `last`."""
    return varying([(0.0, rate), (seconds, last)], seed)


def step(rates: Sequence[float], seconds: float, seed: int) -> np.ndarray:
    """Each of the rates for as long as the others, `seconds` in all."""
    ends = np.linspace(0.0, seconds, len(rates) + 1)
    spans = zip(rates, pairwise(ends), strict=True)
    return varying([(float(end), rate) for rate, span in spans for end in span], seed)


def spike(rate: float, factor: float, seconds: float, seed: int) -> np.ndarray:
    """`rate`, and `factor` times as much in the middle tenth."""
    begin, end = 0.45 * seconds, 0.55 * seconds
    high = rate * factor
    course = [(0.0, rate), (begin, rate), (begin, high), (end, high), (end, rate), (seconds, rate)]
    return varying(course, seed)


def diurnal(rate: float, depth: float, seconds: float, seed: int) -> np.ndarray:
    """A day in `seconds`: a wave around `rate` from its lowest point on, `depth` of it each way."""
    shares = np.linspace(0.0, 1.0, _KNOTS)
    return varying(
        [(share * seconds, rate * (1 - depth * math.cos(2 * math.pi * share))) for share in shares],
        seed,
    )
