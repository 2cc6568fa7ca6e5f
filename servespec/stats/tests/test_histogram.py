"""The histogram against the samples themselves."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ..histogram import Histogram
from ..percentiles import percentile
from .examples import EXAMPLES

ERROR = 1 / 256
seconds = st.one_of(
    st.floats(0, 1e6), st.sampled_from([0.0, 2.0**-30, 0.25, 0.5, 1.0]), st.just(math.inf)
)
samples = st.lists(seconds, max_size=50)


def recorded(values: object) -> Histogram:
    histogram = Histogram()
    histogram.record_many(np.asarray(values, dtype=float))
    return histogram


@EXAMPLES
@given(samples, samples)
def test_to_merge_is_to_record_all_of_them(ours: list[float], theirs: list[float]) -> None:
    merged = recorded(ours)
    merged.merge(recorded(theirs))

    assert merged == recorded(ours + theirs)
    assert len(merged) == len(ours) + len(theirs)


@EXAMPLES
@given(samples)
def test_one_by_one_they_are_counted_as_all_at_once(values: list[float]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.record(value)

    assert histogram == recorded(values)


@EXAMPLES
@given(st.lists(seconds, min_size=1), st.sampled_from([1, 50, 99, 99.9, 100]))
def test_a_percentile_is_that_of_the_samples(values: list[float], percent: float) -> None:
    exact = percentile(values, percent)

    assert recorded(values).percentile(percent) == pytest.approx(exact, rel=ERROR, abs=1e-9)


def test_the_error_is_at_most_half_a_percent_over_twelve_decades() -> None:
    values = 10 ** np.random.default_rng(1).uniform(-6, 6, 100_000)
    for value in values[:2000]:
        alone = recorded([1e-7, value, 1e7])  # the ends are kept exactly
        assert alone.percentile(50) == pytest.approx(value, rel=0.005)

    histogram = recorded(values)
    for percent in (0.1, 50, 99, 99.9):
        assert histogram.percentile(percent) == pytest.approx(
            percentile(values, percent), rel=0.005
        )


@EXAMPLES
@given(samples, st.floats(1e-9, 1e6))
def test_the_true_number_over_a_bound_lies_between_the_two_that_are_told(
    values: list[float], bound: float
) -> None:
    certain, possible = recorded(values).over(bound)

    assert certain <= sum(value >= bound for value in values) <= possible
    assert possible - certain <= sum(
        abs(value - bound) <= 2 * ERROR * bound for value in values if value < math.inf
    )


@EXAMPLES
@given(samples)
def test_nothing_is_lost_on_the_way_to_another_worker(values: list[float]) -> None:
    histogram = recorded(values)

    assert Histogram.from_dict(json.loads(json.dumps(histogram.to_dict()))) == histogram


def test_what_was_never_answered_is_the_slowest() -> None:
    histogram = recorded([0.01] * 98 + [math.inf] * 2)

    assert histogram.percentile(98) == 0.01
    assert histogram.percentile(99) == math.inf
    assert histogram.mean() == math.inf
    assert histogram.over(1.0) == (2, 2)


def test_the_mean_is_that_of_the_samples() -> None:
    values = np.random.default_rng(2).lognormal(-3, 1, 10_000)

    assert recorded(values).mean() == pytest.approx(values.mean(), rel=ERROR)
    assert math.isnan(Histogram().mean())


@pytest.mark.parametrize("value", [-0.1, math.nan])
def test_what_is_no_duration_is_refused_and_not_counted(value: float) -> None:
    histogram = Histogram()

    with pytest.raises(ValueError, match="seconds from 0 up"):
        histogram.record(value)
    with pytest.raises(ValueError, match="seconds from 0 up"):
        histogram.record_many([1.0, value])
    assert len(histogram) == 0


def test_of_no_samples_there_is_no_percentile() -> None:
    with pytest.raises(ValueError, match="of 0"):
        Histogram().percentile(50)
