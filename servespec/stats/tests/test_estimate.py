"""Means and ratios of percentiles against how often their intervals hold the truth."""

import math

import numpy as np
import pytest

from ..estimate import estimate_mean, estimate_ratio
from ..percentiles import Interval, percentile
from .queues import queue

LOAD = 0.5


@pytest.mark.parametrize("measure", ["mean", "ratio"])
def test_the_interval_of_a_queue_holds_the_truth_as_often_as_it_says(measure: str) -> None:
    random, runs, held = np.random.default_rng(1), 150, 0
    truth = 1 / (1 - LOAD) if measure == "mean" else math.log(0.05) / math.log(0.5)
    for _ in range(runs):
        samples = queue(random, 5000, LOAD)
        found = (
            estimate_mean(samples, resamples=1000)
            if measure == "mean"
            else estimate_ratio(samples, 95, 50, resamples=1000)
        )
        held += found.interval.low <= truth <= found.interval.high

    assert held / runs > 0.95 - 3 * math.sqrt(0.95 * 0.05 / runs)


def test_the_values_are_those_of_the_samples() -> None:
    samples = np.random.default_rng(2).exponential(1, 1000)

    assert estimate_mean(samples).value == pytest.approx(samples.mean())
    assert estimate_ratio(samples, 99, 50).value == percentile(samples, 99) / percentile(
        samples, 50
    )


def test_more_confidence_takes_a_wider_interval() -> None:
    samples = np.random.default_rng(3).exponential(1, 1000)

    usual, sure = (estimate_mean(samples, confidence=share).interval for share in (0.9, 0.99))

    assert sure.low < usual.low < usual.high < sure.high


def test_one_answer_that_never_came_makes_the_mean_infinite_and_not_the_ratio() -> None:
    samples = [*np.random.default_rng(4).exponential(1, 999), math.inf]

    assert estimate_mean(samples).value == math.inf
    assert estimate_ratio(samples, 90, 50).interval.high < math.inf


def test_what_never_varies_is_known() -> None:
    assert estimate_mean([2.0] * 100).interval == Interval(2.0, 2.0)


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="found an empty one"):
        estimate_mean([1.0] * 23)
