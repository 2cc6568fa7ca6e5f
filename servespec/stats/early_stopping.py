"""When enough was seen to say that the share of bad requests is below, or above, what is allowed.

The rule of MLPerf's LoadGen (early_stopping.cc, with tolerance 0), which it uses for one side only.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .distributions import binomial_cdf

__all__ = ["Decision", "decide", "fewest", "proven"]

ENDLESS = 10**9
"""More requests than this are none that anybody sends."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What so many bad requests of so many say about the share of them.

    Attributes:
        kept: the share is below what is allowed, with the confidence asked for.
        missed: it is above, with the same confidence. Not both; neither where too little was seen.
        needed: how many more requests decide if the share stays as it is; 0 where it is decided,
            None where no number of them would (the share seen is the one allowed, or as good as).
    """

    kept: bool
    missed: bool
    needed: int | None


def decide(
    count: int,
    bad: int,
    allowed: float,
    confidence: float = 0.99,
    effective: float | None = None,
) -> Decision:
    """Judge by P(Binom(count, allowed) <= bad) <= 1 - confidence, and by its mirror image.

    "p99 below 100 ms" allows a share of 0.01 at 100 ms or more; "error rate below 0.1 %" one of
    0.001. With `effective` both numbers shrink in proportion, rounded to the side that decides
    less.

    Args:
        count: requests in all, at least 1.
        bad: those over the bound, failed and unfinished ones included.
        allowed: the share of them, between 0 and 1.
        confidence: between 0 and 1.
        effective: how many independent requests they are worth (`effective`); all where left out.

    Raises:
        ValueError: the numbers are not of these ranges.
    """
    if not (0 <= bad <= count and count > 0 and 0 < allowed < 1 and 0 < confidence < 1):
        raise ValueError(
            f"expected 0 <= bad <= count and shares between 0 and 1, found {bad} of {count}, "
            f"{allowed} allowed, confidence {confidence}"
        )
    worth = (count if effective is None else min(effective, count)) / count

    def kept(n: int) -> bool:
        seen, over = math.floor(n * worth), math.ceil(n * worth * bad / count)
        return binomial_cdf(over, seen, allowed) <= 1 - confidence

    def missed(n: int) -> bool:
        seen, over = math.ceil(n * worth), math.floor(n * worth * bad / count)
        return 1 - binomial_cdf(over - 1, seen, allowed) <= 1 - confidence

    low = bad / count < allowed
    decided = kept if low else missed
    total = _first(decided, count)
    if total is None:
        return Decision(kept=False, missed=False, needed=None)
    done = total == count
    return Decision(kept=done and low, missed=done and not low, needed=total - count)


def fewest(allowed: float, bad: int = 0, confidence: float = 0.99) -> int:
    """The fewest requests of which `bad` over the bound still prove the share: 459 for p99."""
    found = _first(lambda n: binomial_cdf(bad, n, allowed) <= 1 - confidence, bad + 1)
    return found or ENDLESS


def proven(
    samples: ArrayLike, allowed: float, confidence: float = 0.99, effective: float | None = None
) -> float:
    """What a percentile is at most: LoadGen's early-stopping estimate of it (`results.cc`).

    The t-th largest sample, where t is the most that may lie over a bound and still prove it:
    infinite where not even one may, below 64 samples of a p90 and 662 of a p99.

    Args:
        samples: in any order and any unit.
        allowed: the share that may lie above, 0.1 for the p90.
        confidence: between 0 and 1.
        effective: how many independent samples they are worth; all where left out.
    """
    values = np.sort(np.asarray(samples, dtype=float))
    share = (values.size if effective is None else min(effective, values.size)) / values.size
    worth = math.floor(values.size * share)

    def unproven(over: int) -> bool:
        return binomial_cdf(math.ceil(over * share), worth, allowed) > 1 - confidence

    most = (_first(unproven, 1) or values.size) - 1
    return float(values[-most]) if most else math.inf


def _first(holds: Callable[[int], bool], start: int) -> int | None:
    """The smallest number from `start` on at which `holds` begins to hold; None up to `ENDLESS`."""
    low, high = start - 1, start
    while not holds(high):
        if high >= ENDLESS:
            return None
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
