"""What one run says about a mean, and about how far two percentiles lie apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from .percentiles import Interval
from .resample import (
    RESAMPLES,
    Statistic,
    draw,
    drawn_means,
    drawn_percentiles,
    expanded,
    ratio,
    to_blocks,
)

__all__ = ["Estimate", "estimate_mean", "estimate_ratio"]

BLOCKS = 24
"""As many as the effective size is told from: long enough to hold what belongs together."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and where the true one lies.

    Attributes:
        value: as seen.
        interval: at the confidence asked for.
    """

    value: float
    interval: Interval


def estimate_mean(
    samples: ArrayLike,
    *,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 1,
) -> Estimate:
    """The mean, also of a rate: give the answers of each second.

    Args:
        samples: in the order of time; infinite ones make it infinite.
        confidence: of the interval, between 0 and 1.
        resamples: of 24 blocks of time.
        seed: of the resamples.

    Raises:
        ValueError: there are fewer than 24 samples, or NaN among them.
    """
    return _estimate(samples, drawn_means, confidence, resamples, seed)


def estimate_ratio(
    samples: ArrayLike,
    percent: float,
    lower: float,
    *,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 1,
) -> Estimate:
    """How many times the lower percentile the other one is; otherwise as `estimate_mean`."""

    def statistic(blocks: Sequence[np.ndarray], draws: np.ndarray) -> np.ndarray:
        drawn = partial(drawn_percentiles, blocks, draws)
        return ratio(drawn(lower), drawn(percent))

    return _estimate(samples, statistic, confidence, resamples, seed)


def _estimate(
    samples: ArrayLike, statistic: Statistic, confidence: float, resamples: int, seed: int
) -> Estimate:
    blocks = to_blocks(np.array_split(np.asarray(samples, dtype=float).ravel(), BLOCKS))
    drawn = statistic(blocks, draw(BLOCKS, resamples, seed))
    return Estimate(float(drawn[0]), expanded(drawn, BLOCKS, 1 - confidence))
