"""The text of a distribution, as HdrHistogram's own tests expect it, and read back."""

import math

import numpy as np
import pytest

from ..hgrm import Row, read_hgrm, write_hgrm
from ..histogram import Histogram

OF_THREE = """\
       Value     Percentile TotalCount 1/(1-Percentile)

      25.000 0.000000000000          1           1.00
      25.000 0.100000000000          1           1.11
      25.000 0.200000000000          1           1.25
      25.000 0.300000000000          1           1.43
      49.927 0.400000000000          2           1.67
      49.927 0.500000000000          2           2.00
      49.927 0.550000000000          2           2.22
      49.927 0.600000000000          2           2.50
      49.927 0.650000000000          2           2.86
      74.951 0.700000000000          3           3.33
      74.951 1.000000000000          3
#[Mean    =       49.959, StdDeviation   =       20.392]
#[Max     =       75.000, Total count    =            3]
#[Buckets =            3, SubBuckets     =          128]
"""
"""As the Java and the JavaScript library print 25, 50 and 75, but for the middle of the bucket."""


def recorded(values: object) -> Histogram:
    histogram = Histogram()
    histogram.record_many(np.asarray(values, dtype=float))
    return histogram


def test_the_text_is_that_of_the_other_libraries() -> None:
    assert write_hgrm(recorded([0.025, 0.05, 0.075])) == OF_THREE


def test_what_is_read_is_what_was_written() -> None:
    histogram = recorded(np.random.default_rng(1).lognormal(-3, 1, 5000))

    rows = read_hgrm(write_hgrm(histogram))

    assert (rows[-1].share, rows[-1].count) == (1.0, 5000)
    values, counts = histogram.columns()
    below = dict(zip((values * 1000).round(3), counts.cumsum(), strict=True))
    for row in rows:
        assert below[round(row.seconds * 1000, 3)] == row.count >= row.share * 5000 - 1e-6


def test_what_was_never_answered_is_read_back_as_infinite() -> None:
    text = write_hgrm(recorded([0.01] * 9 + [math.inf]))

    assert "    Infinity 1.000000000000         10\n" in text
    assert read_hgrm(text)[-1] == Row(math.inf, 1.0, 10)


def test_of_no_samples_there_is_no_distribution() -> None:
    with pytest.raises(ValueError, match="found none"):
        write_hgrm(Histogram())
