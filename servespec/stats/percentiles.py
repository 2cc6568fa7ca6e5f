"""Percentiles that were really seen, and how far the true ones may lie from them."""

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from .distributions import binomial_cdf

__all__ = ["Interval", "interval", "interval_ranks", "percentile", "rank"]


@dataclass(frozen=True, slots=True)
class Interval:
    """A range that holds the true value with the confidence asked for; infinite where open."""

    low: float
    high: float


def rank(percent: float, count: int) -> int:
    """Which of `count` ascending samples is the percentile: the nearest rank, from 1.

    The smallest rank such that at least `percent` % of the samples lie at or below it, exact where
    floating point is not: the p99.9 of 1,000 samples is the 999th.

    Raises:
        ValueError: `percent` is not above 0 and at most 100, or there are no samples.
    """
    if not 0 < percent <= 100 or count < 1:
        raise ValueError(f"expected 0 < percent <= 100 of samples, found {percent} of {count}")
    return math.ceil(Fraction(str(percent)) * count / 100)


def percentile(samples: ArrayLike, percent: float) -> float:
    """The sample of the nearest rank; infinite samples count as the largest.

    Raises:
        ValueError: as `rank`, or a sample is not a number.
    """
    values = _numbers(samples)
    nth = rank(percent, values.size) - 1
    return float(np.partition(values, nth)[nth])


def interval(
    samples: ArrayLike, percent: float, confidence: float = 0.95, effective: float | None = None
) -> Interval:
    """Where the true percentile lies, whatever the distribution: two order statistics.

    The k-th smallest of n independent samples is above the q-quantile with the probability
    P(Binom(n, q) < k) (David and Nagaraja, Order Statistics, 7.1). Each end is wrong with at most
    (1 - confidence) / 2. It is open, infinite, on the side where the samples are too few.

    Args:
        samples: in any order and any unit.
        percent: above 0 and below 100.
        confidence: between 0 and 1.
        effective: how many independent samples they are worth, at most their number (`effective`);
            all where left out.

    Raises:
        ValueError: as `percentile`.
    """
    values = np.sort(_numbers(samples))
    low, high = interval_ranks(values.size, percent, confidence, effective)
    return Interval(
        float(values[low - 1]) if low else -math.inf,
        float(values[high - 1]) if high else math.inf,
    )


def interval_ranks(
    count: int, percent: float, confidence: float = 0.95, effective: float | None = None
) -> tuple[int, int]:
    """Which of `count` ascending samples are the ends of that interval, from 1; 0 for an open end.

    Raises:
        ValueError: as `rank`.
    """
    rank(percent, count)
    worth = count if effective is None else max(1, math.floor(min(effective, count)))
    wrong, ranks = (1 - confidence) / 2, range(worth + 2)

    def below(k: int) -> float:
        return binomial_cdf(k - 1, worth, percent / 100)

    low = bisect_right(ranks, wrong, key=below) - 1
    high = bisect_left(ranks, 1 - wrong, key=below)
    scale = Fraction(count, worth)
    return math.floor(low * scale), math.ceil(high * scale) if high <= worth else 0


def _numbers(samples: ArrayLike) -> np.ndarray:
    values = np.asarray(samples, dtype=float).ravel()
    if np.isnan(values).any():
        raise ValueError("expected numbers, found NaN among the samples")
    return values
