"""Whether traffic was split as it was asked to be: a band for one share, a test of all of them."""

import math
from collections.abc import Callable, Mapping

from .distributions import binomial_cdf

__all__ = ["band", "chi_square_tail", "sample_ratio"]


def band(count: int, share: float, confidence: float = 0.999) -> tuple[int, int]:
    """The counts, from least to most, of those drawn with probability `share` out of `count`.

    A count lies below or above them with a probability of (1 - confidence) / 2 at most each: the
    exact binomial interval, as Gateway API's test of mirrored shares has it by three deviations.

    Args:
        count: of all draws.
        share: from 0 to 1.
        confidence: between 0 and 1.
    """
    tail = (1 - confidence) / 2
    least = _first(lambda k: binomial_cdf(k, count, share) > tail, count)
    most = _first(lambda k: 1 - binomial_cdf(k, count, share) <= tail, count)
    return least, most


def sample_ratio(counts: Mapping[str, int], weights: Mapping[str, float]) -> float:
    """The chance of counts as far from the weights as these, or further: Pearson's chi-square.

    The usual test for a sample ratio mismatch (Fabijan et al., "Diagnosing sample ratio mismatch in
    online controlled experiments", 2019). Good for expected counts of 5 or more.

    Args:
        counts: of each variant; one that is missing has none.
        weights: of each variant, relative to one another.

    Raises:
        ValueError: a variant without a weight was counted, or fewer than two have one.
    """
    wanted = {name: weight for name, weight in weights.items() if weight > 0}
    if len(wanted) < 2 or any(count and name not in wanted for name, count in counts.items()):
        raise ValueError("expected counts of two or more variants, each with a weight")
    total, weight = sum(counts.values()), sum(wanted.values())
    expected = {name: total * each / weight for name, each in wanted.items()}
    statistic = sum((counts.get(name, 0) - each) ** 2 / each for name, each in expected.items())
    return chi_square_tail(statistic, len(wanted) - 1)


def chi_square_tail(statistic: float, freedom: int) -> float:
    """P(X > statistic) for a chi-square variable with a whole number of degrees of freedom.

    By Q(f + 2) = Q(f) + (x/2)^(f/2) exp(-x/2) / gamma(f/2 + 1), from Q(1) = erfc(sqrt(x/2)) and
    Q(2) = exp(-x/2) (Abramowitz and Stegun, 26.4.4 and 26.4.8).
    """
    half = statistic / 2
    odd = freedom % 2
    tail = math.erfc(math.sqrt(half)) if odd else math.exp(-half)
    for known in range(1 if odd else 2, freedom, 2):
        if half:
            tail += math.exp(known / 2 * math.log(half) - half - math.lgamma(known / 2 + 1))
    return min(1.0, tail)


def _first(holds: Callable[[int], bool], count: int) -> int:
    """The smallest number up to `count` from which on it holds."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low
