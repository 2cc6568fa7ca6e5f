"""Whether B is slower than A, from rounds in which both were asked in turn (ABAB)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from .distributions import student_cdf, student_quantile
from .percentiles import Interval, percentile, rank

__all__ = ["Comparison", "compare_means", "compare_percentiles"]

NORMAL = NormalDist()
RESAMPLES = 10_000

Statistic = Callable[[Sequence[np.ndarray], np.ndarray], np.ndarray]
"""From the blocks, and how often each was drawn (one row a resample), a value for each resample."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The ratio of B to A.

    Attributes:
        ratio: as seen; 1 where both are infinite.
        interval: where the true ratio lies, at the confidence 1 - alpha, both ends counted.
        slower: the chance of a ratio as large as this if the true one were at most `margin`: one
            side. Below alpha, B is slower.
        faster: the same for the other side: if the true ratio were at least 1 / `margin`.
    """

    ratio: float
    interval: Interval
    slower: float
    faster: float


def compare_percentiles(
    a: Sequence[ArrayLike],
    b: Sequence[ArrayLike],
    percent: float,
    *,
    alpha: float = 0.01,
    margin: float = 1.0,
    resamples: int = RESAMPLES,
    seed: int = 1,
) -> Comparison:
    """Compare a percentile of B with that of A, by a bootstrap of whole rounds.

    Args:
        a: the blocks of A in the order of time, each with its samples; infinite ones are the
            slowest.
        b: those of B; the i-th was asked beside the i-th of A.
        percent: above 0 and at most 100.
        alpha: the share of false alarms that is accepted.
        margin: the ratio that is still as good as none, from 1 up.
        resamples: how many rounds of rounds are drawn.
        seed: of the draws.

    Raises:
        ValueError: there are too few rounds for alpha (it takes 9 for 0.01), not as many of A as of
            B, or an empty block.
    """

    def statistic(blocks: Sequence[np.ndarray], draws: np.ndarray) -> np.ndarray:
        return _drawn_percentiles(blocks, draws, percent)

    return _compare(a, b, statistic, alpha=alpha, margin=margin, resamples=resamples, seed=seed)


def compare_means(
    a: Sequence[ArrayLike],
    b: Sequence[ArrayLike],
    *,
    alpha: float = 0.01,
    margin: float = 1.0,
    resamples: int = RESAMPLES,
    seed: int = 1,
) -> Comparison:
    """Compare the mean of B with that of A; otherwise as `compare_percentiles`."""
    return _compare(a, b, _drawn_means, alpha=alpha, margin=margin, resamples=resamples, seed=seed)


def _compare(
    a: Sequence[ArrayLike],
    b: Sequence[ArrayLike],
    statistic: Statistic,
    *,
    alpha: float,
    margin: float,
    resamples: int,
    seed: int,
) -> Comparison:
    """Resample rounds, not requests: neighbours in time, and the two of a round, are alike.

    Blocks stay whole and paired (Carlstein, The use of subseries values, 1986), so that a drift of
    the machine is in A and in B. Of few rounds the plain percentile bootstrap is too narrow; the
    levels are moved out as Student's t asks for (Hesterberg, What teachers should know about the
    bootstrap, 2015, "expanded percentile interval").
    """
    ours, theirs = _blocks(a), _blocks(b)
    rounds = len(ours)
    tail = _tail(alpha / 2, rounds)
    if len(theirs) != rounds or tail * resamples < 1:
        raise ValueError(
            f"expected as many blocks of A as of B, and enough for alpha {alpha}, found {rounds} "
            f"and {len(theirs)}"
        )
    random = np.random.default_rng(seed)
    draws = random.multinomial(rounds, np.full(rounds, 1 / rounds), size=resamples)
    drawn = _ratio(statistic(ours, draws), statistic(theirs, draws))
    once = np.ones((1, rounds), dtype=int)
    return Comparison(
        float(_ratio(statistic(ours, once), statistic(theirs, once))[0]),
        Interval(percentile(drawn, 100 * tail), percentile(drawn, 100 * (1 - tail))),
        _chance(int(np.count_nonzero(drawn <= margin)), resamples, rounds),
        _chance(int(np.count_nonzero(drawn >= 1 / margin)), resamples, rounds),
    )


def _tail(alpha: float, rounds: int) -> float:
    """Which share of the resamples to leave out at one end; none of fewer than two rounds."""
    if rounds < 2:
        return 0.0
    return NORMAL.cdf(student_quantile(alpha, rounds - 1) * math.sqrt(rounds / (rounds - 1)))


def _chance(against: int, resamples: int, rounds: int) -> float:
    """The chance for which `_tail` would leave out as many resamples as speak against it."""
    share = (against + 1) / (resamples + 2)
    return student_cdf(NORMAL.inv_cdf(share) * math.sqrt((rounds - 1) / rounds), rounds - 1)


def _blocks(given: Sequence[ArrayLike]) -> list[np.ndarray]:
    blocks = [np.asarray(block, dtype=float).ravel() for block in given]
    if any(block.size == 0 or np.isnan(block).any() for block in blocks):
        raise ValueError("expected samples in each block, found an empty one or NaN")
    return blocks


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """B to A; 1 where both are 0 or both infinite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(a == b, 1.0, b / a)


def _drawn_means(blocks: Sequence[np.ndarray], draws: np.ndarray) -> np.ndarray:
    sums = np.array([block.sum() for block in blocks])
    sizes = np.array([block.size for block in blocks])
    with np.errstate(invalid="ignore"):
        products = np.where(draws > 0, draws * sums, 0.0)  # 0 times infinity is none
    return np.asarray(products.sum(axis=1) / (draws @ sizes))


def _drawn_percentiles(
    blocks: Sequence[np.ndarray], draws: np.ndarray, percent: float
) -> np.ndarray:
    """The nearest rank in each resample, by bisection over all samples in ascending order.

    `upto[i, j]` is how many samples of block j are among the i + 1 smallest: weighted by how often
    block j was drawn, their sum is the rank of sample i in that resample.
    """
    sizes = np.array([block.size for block in blocks])
    pooled = np.concatenate(blocks)
    order = np.argsort(pooled, kind="stable")
    upto = np.zeros((pooled.size, len(blocks)), dtype=np.int64)
    upto[np.arange(pooled.size), np.repeat(np.arange(len(blocks)), sizes)[order]] = 1
    np.cumsum(upto, axis=0, out=upto)
    totals = draws @ sizes
    ranks = {total: rank(percent, total) for total in set(totals.tolist())}
    wanted = np.array([ranks[total] for total in totals.tolist()])
    low, high = np.zeros(len(draws), dtype=np.int64), np.full(len(draws), pooled.size - 1)
    while (low < high).any():
        middle = (low + high) // 2
        enough = (draws * upto[middle]).sum(axis=1) >= wanted
        low, high = np.where(enough, low, middle + 1), np.where(enough, middle, high)
    return np.take(pooled, order[low])
