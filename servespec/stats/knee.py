"""Where the curve of latency or throughput over the offered load bends."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .percentiles import Interval, percentile

__all__ = ["Knee", "find_knee"]

GRID = 200
"""Places that are tried for the bend, evenly over the loads."""
FEWEST = 6
"""Loads: two lines and a bend are four numbers, and the rest is their error."""


@dataclass(frozen=True, slots=True)
class Knee:
    """Two straight lines that meet.

    Attributes:
        load: where they meet.
        interval: where the true bend lies, at the confidence asked for.
        before: the slope below it, in units of the response for one of the load.
        after: the slope above it.
        gain: the share of one line's squared error that the second line takes away, from 0 to 1.
    """

    load: float
    interval: Interval
    before: float
    after: float
    gain: float


def find_knee(
    load: ArrayLike,
    response: ArrayLike,
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 1,
) -> Knee:
    """Fit y = a + b x + c max(0, x - knee) by least squares.

    The knee is searched on a grid from the second load to the last but one, a and b and c are
    exact for each place (Hinkley, Inference in two-phase regression, 1971). The interval is that of
    a bootstrap of the residuals (Efron and Tibshirani, An Introduction to the Bootstrap, 9.4): they
    have to be alike over the loads, so give the logarithm of a latency that grows many times over.

    Args:
        load: offered, such as requests a second; each may come several times, in any order.
        response: at each load: a percentile of the latency, or what was achieved.
        confidence: of the interval.
        resamples: of the residuals.
        seed: of the resamples.

    Raises:
        ValueError: there are fewer than six different loads, or not one response to each.
    """
    x, y = np.asarray(load, dtype=float), np.asarray(response, dtype=float)
    loads = np.unique(x)
    if x.shape != y.shape or x.ndim != 1 or loads.size < FEWEST or not np.isfinite(y).all():
        raise ValueError(f"expected a finite response to each of {FEWEST} loads or more")
    places = np.linspace(loads[1], loads[-2], GRID)
    bases = np.linalg.qr(_designs(x, places))[0]
    best = _best(bases, y[None, :])[0]
    fitted = bases[best] @ (bases[best].T @ y)
    slopes = np.linalg.lstsq(_designs(x, places[[best]])[0], y, rcond=None)[0]
    residuals = (y - fitted) * np.sqrt(x.size / (x.size - 4))
    random = np.random.default_rng(seed)
    drawn = places[_best(bases, fitted + random.choice(residuals, size=(resamples, x.size)))]
    wrong = 50 * (1 - confidence)
    return Knee(
        float(places[best]),
        Interval(percentile(drawn, wrong), percentile(drawn, 100 - wrong)),
        float(slopes[1]),
        float(slopes[1] + slopes[2]),
        _gain(x, y, fitted),
    )


def _designs(x: np.ndarray, places: np.ndarray) -> np.ndarray:
    """For each place the columns 1, x and max(0, x - place)."""
    columns = np.empty((places.size, x.size, 3))
    columns[:, :, 0], columns[:, :, 1] = 1, x
    columns[:, :, 2] = np.maximum(0, x - places[:, None])
    return columns


def _best(bases: np.ndarray, responses: np.ndarray) -> np.ndarray:
    """The place of the smallest squared error, which is that of the longest projection."""
    lengths = [np.square(responses @ basis).sum(axis=1) for basis in bases]
    return np.asarray(np.argmax(lengths, axis=0))


def _gain(x: np.ndarray, y: np.ndarray, fitted: np.ndarray) -> float:
    line = np.polynomial.Polynomial.fit(x, y, 1)(x)
    alone, together = np.square(y - line).sum(), np.square(y - fitted).sum()
    return float(1 - together / alone) if alone > 0 else 0.0
