"""How many independent samples correlated ones are worth.

Near saturation neighbours in time wait in the same queue: intervals that take them as independent
are far too narrow.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from .histogram import Histogram
from .percentiles import percentile

__all__ = ["effective_over", "effective_over_time", "effective_size", "effective_size_over_time"]

BATCHES = 24
"""Schmeiser, Batch size effects in the analysis of simulation output (1982): 10 to 30 are best."""
ROUNDING = 1e-6
"""The share by which times differ that are the same: differences of clock readings are rounded, and
of neighbours in time alike."""


def effective_size(samples: ArrayLike) -> float:
    """The effective size for the mean of the samples, by the method of batch means.

    n s^2 / (b s_b^2): with s^2 the variance of the n samples and s_b^2 that of the means of 24
    batches of b each, b s_b^2 estimates what the variance would be, n times over, of the mean
    (Flegal and Jones, Batch means and spectral variance estimators, 2010). At most n. All n where
    nothing can be estimated: fewer than two in a batch, or samples that are all the same.

    Args:
        samples: finite, in the order of time.

    Raises:
        ValueError: a sample is not finite.
    """
    values = np.asarray(samples, dtype=float).ravel()
    if not np.isfinite(values).all():
        raise ValueError("expected finite samples; of infinite ones ask `effective_over`")
    count, length = values.size, values.size // BATCHES
    if length < 2:
        return float(count)
    means = values[count - BATCHES * length :].reshape(BATCHES, length).mean(axis=1)
    spread = length * means.var(ddof=1)
    return float(min(count, count * values.var(ddof=1) / spread)) if spread > 0 else float(count)


def effective_over(samples: ArrayLike, bound: float) -> float:
    """The effective size for the share of samples at or over a bound.

    The smallest of the effective sizes of "is over" for the bound, the p90 and the median: in a
    queue (M/M/1, load 0.8, 10,000 samples) the bound alone let a 95 % interval of the p99 hold the
    truth in 82 % of runs, the smallest of three in 97 %; of independent samples it takes a fifth.
    Where nobody reaches the bound, the other two tell how samples cluster.

    Args:
        samples: in the order of time; infinite ones count as over.
        bound: in the same unit.
    """
    values = np.asarray(samples, dtype=float).ravel()
    if values.size < 2 * BATCHES:
        return float(values.size)
    bounds = (bound, percentile(values, 90), percentile(values, 50))
    return min(effective_size(values >= limit * (1 - ROUNDING)) for limit in bounds)


def effective_over_time(parts: Sequence[Histogram], bound: float) -> float:
    """The same from a histogram of each second, where the samples themselves were not kept.

    n^2 p (1 - p) / (k / (k - 1) sum of (x_i - p n_i)^2): with x_i of n_i samples over the bound in
    each of k batches, and p their share in all, what the variance of p would be from independent
    samples against what it is from batches of unequal size (Cochran, Sampling Techniques, 1977,
    9A.1). Seconds are put together to 24 batches; samples in the bound's own bucket are over it.

    Args:
        parts: in the order of time, each as long as the others.
        bound: in seconds.

    Raises:
        ValueError: there are fewer than ten parts, or no samples.
    """
    together = _together(parts)
    bounds = (bound, together.percentile(90), together.percentile(50))
    found = []
    for limit in bounds:
        share = together.over(limit)[1] / len(together)
        over = [part.over(limit)[1] for part in parts]
        found.append(_effective(over, parts, share * (1 - share)))
    return min(found)


def effective_size_over_time(parts: Sequence[Histogram]) -> float:
    """The effective size for the mean, from a histogram of each second; else as the one above.

    Raises:
        ValueError: there are fewer than ten parts, or no samples, or one is infinite.
    """
    together = _together(parts)
    if together.infinite:
        raise ValueError("expected finite samples; of infinite ones ask `effective_over_time`")
    values, counts = together.columns()
    variance = float(counts @ np.square(values - together.mean()) / len(together))
    return _effective([float(np.dot(*part.columns())) for part in parts], parts, variance)


def _together(parts: Sequence[Histogram]) -> Histogram:
    if len(parts) < 10:
        raise ValueError(f"expected the histograms of 10 seconds or more, found {len(parts)}")
    together = Histogram()
    for part in parts:
        together.merge(part)
    return together


def _batched(numbers: Sequence[float]) -> np.ndarray:
    batches = np.array_split(np.asarray(numbers), min(BATCHES, len(numbers)))
    return np.array([batch.sum() for batch in batches])


def _effective(numbers: Sequence[float], parts: Sequence[Histogram], variance: float) -> float:
    """What the sums of each part say, by batches, of samples with that variance."""
    sums, counts = _batched(numbers), _batched([len(part) for part in parts])
    total = int(counts.sum())
    spread = np.square(sums - sums.sum() / total * counts).sum() * counts.size / (counts.size - 1)
    return float(min(total, total**2 * variance / spread)) if spread > 0 else float(total)
