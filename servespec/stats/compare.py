"""Whether B is slower than A, from rounds in which both were asked in turn (ABAB)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .percentiles import Interval
from .resample import (
    RESAMPLES,
    Statistic,
    chance,
    draw,
    drawn_means,
    drawn_percentiles,
    expanded,
    ratio,
    to_blocks,
)

__all__ = ["Comparison", "compare_means", "compare_percentiles"]


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
        return drawn_percentiles(blocks, draws, percent)

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
    return _compare(a, b, drawn_means, alpha=alpha, margin=margin, resamples=resamples, seed=seed)


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
    the machine is in A and in B.
    """
    ours, theirs = to_blocks(a), to_blocks(b)
    rounds = len(ours)
    if len(theirs) != rounds:
        raise ValueError(f"expected as many blocks of A as of B, found {rounds} and {len(theirs)}")
    draws = draw(rounds, resamples, seed)
    drawn = ratio(statistic(ours, draws), statistic(theirs, draws))
    return Comparison(
        float(drawn[0]),  # as it was seen
        expanded(drawn, rounds, alpha),
        chance(drawn <= margin, rounds),
        chance(drawn >= 1 / margin, rounds),
    )
