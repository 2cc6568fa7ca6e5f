"""The bootstrap of whole blocks of time: what an estimate could have been as well."""

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from .distributions import student_cdf, student_quantile
from .percentiles import Interval, percentile, rank

__all__ = [
    "RESAMPLES",
    "Statistic",
    "chance",
    "draw",
    "drawn_means",
    "drawn_percentiles",
    "expanded",
    "ratio",
    "to_blocks",
]

NORMAL = NormalDist()
RESAMPLES = 10_000

Statistic = Callable[[Sequence[np.ndarray], np.ndarray], np.ndarray]
"""From the blocks, and how often each was drawn (one row a resample), a value for each resample."""


def draw(blocks: int, resamples: int, seed: int) -> np.ndarray:
    """How often each block is in each resample: one row a resample, the first as it was seen.

    Raises:
        ValueError: there are no blocks.
    """
    if not blocks:
        raise ValueError("expected blocks, found none")
    random = np.random.default_rng(seed)
    rest = random.multinomial(blocks, np.full(blocks, 1 / blocks), size=resamples)
    return np.vstack([np.ones(blocks, dtype=rest.dtype), rest])


def expanded(drawn: np.ndarray, blocks: int, alpha: float) -> Interval:
    """The percentile interval of the resamples, moved out as Student's t asks for.

    Of few blocks the plain percentile bootstrap is too narrow (Hesterberg, What teachers should
    know about the bootstrap, 2015, "expanded percentile interval").

    Raises:
        ValueError: there are too few blocks, or resamples, for alpha: it takes 9 for 0.01.
    """
    share = _tail(alpha / 2, blocks) if blocks > 1 else 0.0
    if share * drawn.size < 1:
        raise ValueError(f"expected enough blocks for alpha {alpha}, found {blocks}")
    return Interval(percentile(drawn, 100 * share), percentile(drawn, 100 * (1 - share)))


def _tail(alpha: float, blocks: int) -> float:
    """Which share of the resamples to leave out at one end."""
    return NORMAL.cdf(student_quantile(alpha, blocks - 1) * math.sqrt(blocks / (blocks - 1)))


def chance(against: np.ndarray, blocks: int) -> float:
    """The chance for which `expanded` would leave out as many resamples as speak against it."""
    share = (np.count_nonzero(against) + 1) / (against.size + 2)
    return student_cdf(NORMAL.inv_cdf(share) * math.sqrt((blocks - 1) / blocks), blocks - 1)


def to_blocks(given: Sequence[ArrayLike]) -> list[np.ndarray]:
    """The samples of each block.

    Raises:
        ValueError: one is empty or holds NaN.
    """
    blocks = [np.asarray(block, dtype=float).ravel() for block in given]
    if any(block.size == 0 or np.isnan(block).any() for block in blocks):
        raise ValueError("expected samples in each block, found an empty one or NaN")
    return blocks


def ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """B to A; 1 where both are 0 or both infinite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(a == b, 1.0, b / a)


def drawn_means(blocks: Sequence[np.ndarray], draws: np.ndarray) -> np.ndarray:
    """The mean of all samples in each resample."""
    sums = np.array([block.sum() for block in blocks])
    sizes = np.array([block.size for block in blocks])
    with np.errstate(invalid="ignore"):
        products = np.where(draws > 0, draws * sums, 0.0)  # 0 times infinity is none
    return np.asarray(products.sum(axis=1) / (draws @ sizes))


def drawn_percentiles(
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
