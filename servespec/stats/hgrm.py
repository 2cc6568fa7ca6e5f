"""The percentile distribution as HdrHistogram writes it (.hgrm), which its plotters read."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .histogram import PARTS, Histogram

__all__ = ["Row", "read_hgrm", "write_hgrm"]

TICKS = 5
"""Rows from each percentile to the one half as far from 100 %."""
HEADER = f"{'Value':>12} {'Percentile':>14} {'TotalCount':>10} {'1/(1-Percentile)':>14}\n\n"
MILLISECONDS = 1000


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the distribution.

    Attributes:
        seconds: the value; infinite for what was never answered.
        share: the part of the samples that the line is about, from 0 to 1.
        count: how many samples are at or below the value.
    """

    seconds: float
    share: float
    count: int


def write_hgrm(histogram: Histogram) -> str:
    """The distribution as text, values in milliseconds, infinity as `Infinity`.

    Raises:
        ValueError: there are no samples.
    """
    return HEADER + "".join(map(_line, _rows(histogram))) + _footer(histogram)


def read_hgrm(text: str) -> tuple[Row, ...]:
    """The rows of a distribution whose values are milliseconds."""
    lines = (line.split() for line in text.splitlines()[1:])
    return tuple(
        Row(float(words[0]) / MILLISECONDS, float(words[1]), int(words[2]))
        for words in lines
        if words and not words[0].startswith("#")
    )


def _rows(histogram: Histogram) -> Iterator[Row]:
    """The steps of HdrHistogram's PercentileIterator: each half of the way to 100 % in five."""
    if not len(histogram):
        raise ValueError("expected samples, found none")
    values, counts = histogram.columns()
    upto, share, nth = counts.cumsum(), Fraction(0), 0
    while upto[nth] < upto[-1]:
        yield Row(float(values[nth]), float(share), int(upto[nth]))
        halves = math.floor(1 / (1 - share)).bit_length()  # 1 up to half of the way, then 2
        share += Fraction(1, TICKS * 2**halves)
        nth = int(np.searchsorted(upto, math.ceil(share * len(histogram))))
    yield Row(float(values[nth]), float(share), int(upto[nth]))
    yield Row(float(values[-1]), 1.0, int(upto[-1]))


def _line(row: Row) -> str:
    text = f"{_milliseconds(row.seconds)} {row.share:14.12f} {row.count:10d}"
    return text + (f" {1 / (1 - row.share):14.2f}\n" if row.share < 1 else "\n")


def _footer(histogram: Histogram) -> str:
    values, counts = histogram.columns()
    mean, largest = histogram.mean(), math.inf if histogram.infinite else histogram.largest
    # Of infinite samples there is no deviation.
    spread = (
        math.nan if math.isinf(mean) else math.sqrt(counts @ (values - mean) ** 2 / counts.sum())
    )
    return (
        f"#[Mean    = {_milliseconds(mean)}, StdDeviation   = {_milliseconds(spread)}]\n"
        f"#[Max     = {_milliseconds(largest)}, Total count    = {len(histogram):12d}]\n"
        f"#[Buckets = {len(values):12d}, SubBuckets     = {PARTS:12d}]\n"
    )


def _milliseconds(seconds: float) -> str:
    return f"{'Infinity':>12}" if math.isinf(seconds) else f"{seconds * MILLISECONDS:12.3f}"
