"""The two distributions that the intervals need, without scipy: binomial and Student's t."""

import math

import numpy as np

__all__ = ["binomial_cdf", "student_cdf", "student_quantile"]

REACH = 12.0
"""Terms further than so many standard deviations from the largest one are below 1e-30 of it."""


def binomial_cdf(k: int, n: int, p: float) -> float:
    """P(Binom(n, p) <= k), summed over its terms: to 1e-12 for n = 1,000, 1e-8 for a million.

    The terms are those of the shorter tail, each from its neighbour by the ratio
    pmf(i + 1) / pmf(i) = (n - i) / (i + 1) * p / (1 - p).
    """
    if k < 0:
        return 0.0
    if k >= n or p <= 0:
        return 1.0
    if p >= 1:
        return 0.0
    if k > n * p:
        return 1.0 - binomial_cdf(n - k - 1, n, 1 - p)
    reach = 64 + int(REACH * math.sqrt(n * p * (1 - p)))
    below = np.arange(k, max(k - reach, 0), -1, dtype=float)
    ratios = below / (n - below + 1) * ((1 - p) / p)
    return min(1.0, _binomial_pmf(k, n, p) * (1 + float(np.cumprod(ratios).sum())))


def _binomial_pmf(k: int, n: int, p: float) -> float:
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(ways + k * math.log(p) + (n - k) * math.log1p(-p))


def student_cdf(t: float, freedom: int) -> float:
    """P(T <= t) for Student's t with a whole number of degrees of freedom.

    The finite series of Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3, 26.7.4.
    """
    angle = math.atan(t / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = 0.0
    for i in range(1 + odd, freedom, 2):
        total += term
        term *= cosine**2 * i / (i + 1)
    within = (angle + sine * total) * 2 / math.pi if odd else sine * total
    return min(1.0, max(0.0, (1 + within) / 2))


def student_quantile(share: float, freedom: int) -> float:
    """The t below which Student's t lies with the probability `share`, by bisection.

    Raises:
        ValueError: `share` is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise ValueError(f"expected a share between 0 and 1, found {share}")
    low, high = -1.0, 1.0
    while student_cdf(low, freedom) > share:
        low *= 2
    while student_cdf(high, freedom) < share:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if student_cdf(middle, freedom) < share else (low, middle)
    return (low + high) / 2
