"""Percentiles against sorting, their intervals against how often they hold the truth."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ..percentiles import Interval, interval, percentile, rank
from .examples import EXAMPLES

times = st.lists(st.floats(0, allow_nan=False), min_size=1)
percents = st.sampled_from([0.1, 50, 90, 95, 99, 99.9, 99.99, 100])


@EXAMPLES
@given(times, percents)
def test_a_percentile_is_the_smallest_sample_that_enough_lie_at_or_below(
    samples: list[float], percent: float
) -> None:
    found = percentile(samples, percent)

    assert sum(x <= found for x in samples) >= len(samples) * percent / 100 - 1e-9
    assert found == min(samples) or (
        sum(x < found for x in samples) < len(samples) * percent / 100 + 1e-9
    )


@pytest.mark.parametrize(
    ("percent", "count", "nth"),
    [(99.9, 1000, 999), (50, 4, 2), (99, 1, 1), (99.9, 200_000, 199_800)],
)
def test_the_rank_is_exact_where_floating_point_is_not(
    percent: float, count: int, nth: int
) -> None:
    assert rank(percent, count) == nth


def test_failures_are_the_largest_samples() -> None:
    samples = [math.inf] * 2 + [0.01] * 98

    assert (percentile(samples, 98), percentile(samples, 99)) == (0.01, math.inf)


@pytest.mark.parametrize("percent", [0, -1, 100.1])
def test_a_percent_out_of_range_is_refused(percent: float) -> None:
    with pytest.raises(ValueError, match="0 < percent <= 100"):
        percentile([1.0], percent)


def test_no_samples_and_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="of 0"):
        percentile([], 50)
    with pytest.raises(ValueError, match="NaN"):
        percentile([1.0, math.nan], 50)


@pytest.mark.parametrize(
    ("count", "percent", "low", "high"),
    [(1000, 99, 98.3, 99.7), (10_000, 99, 98.8, 99.2), (10_000, 99.9, 99.83, 99.97)],
)
def test_the_ends_are_the_order_statistics_that_were_computed_elsewhere(
    count: int, percent: float, low: float, high: float
) -> None:
    found = interval(np.arange(1, count + 1) * 100 / count, percent)

    assert (found.low, found.high) == pytest.approx((low, high), abs=0.1)


def test_too_few_samples_leave_the_interval_open() -> None:
    assert interval(np.arange(3000.0), 99.9).high == math.inf
    assert interval([1.0, 2.0], 50) == Interval(-math.inf, math.inf)


def test_samples_that_are_worth_less_give_a_wider_interval() -> None:
    samples = np.arange(10_000.0)

    full, tenth = interval(samples, 99), interval(samples, 99, effective=1000.0)

    assert tenth.low < full.low < full.high < tenth.high
    assert interval(samples, 99, effective=1e9) == full


@pytest.mark.parametrize(("percent", "confidence"), [(50, 0.95), (99, 0.95), (99, 0.8)])
def test_the_interval_holds_the_truth_as_often_as_it_says(
    percent: float, confidence: float
) -> None:
    random, runs = np.random.default_rng(4), 1500
    truth = -math.log(1 - percent / 100)

    found = [interval(random.exponential(1, 1000), percent, confidence) for _ in range(runs)]

    held = np.mean([it.low <= truth <= it.high for it in found])
    error = 3 * math.sqrt(confidence * (1 - confidence) / runs)
    assert confidence - error <= held <= confidence + error + 0.05  # ranks are whole: a bit wider
