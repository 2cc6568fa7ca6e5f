"""The effective size of samples whose correlation is known."""

import math

import numpy as np
import pytest

from ..effective import (
    effective_over,
    effective_over_time,
    effective_size,
    effective_size_over_time,
)
from ..histogram import Histogram
from ..percentiles import interval
from .queues import queue


def test_independent_samples_are_worth_about_all_of_them() -> None:
    random = np.random.default_rng(1)

    sizes = [effective_size(random.exponential(1, 2400)) for _ in range(200)]

    assert 0.85 * 2400 < np.mean(sizes) <= 2400


def test_an_autoregression_is_worth_what_theory_says() -> None:
    """That is n (1 - r) / (1 + r) for neighbours correlated by r."""
    random, count, r = np.random.default_rng(2), 24_000, 0.9
    sizes = []
    for noise in random.normal(size=(40, count)):
        series = np.convolve(noise, r ** np.arange(300))[:count]
        sizes.append(effective_size(series))

    assert np.median(sizes) == pytest.approx(count * (1 - r) / (1 + r), rel=0.15)


def test_repeats_are_worth_one() -> None:
    random = np.random.default_rng(3)

    sizes = [effective_size(np.repeat(random.normal(size=240), 100)) for _ in range(50)]

    assert np.median(sizes) == pytest.approx(240, rel=0.2)


@pytest.mark.parametrize("samples", [[1.0] * 500, [1.0, 2.0, 3.0]])
def test_what_shows_no_correlation_counts_in_full(samples: list[float]) -> None:
    assert effective_size(samples) == len(samples)
    assert effective_over(samples, 2.0) == len(samples)


def test_infinite_samples_have_no_mean_but_are_over_a_bound() -> None:
    samples = [0.01] * 900 + [math.inf] * 100

    with pytest.raises(ValueError, match="finite"):
        effective_size(samples)
    assert effective_over(samples, 0.1) < 100  # one outage, not a hundred


def test_a_bound_that_nobody_reaches_still_shows_the_clusters_below_it() -> None:
    samples = queue(np.random.default_rng(5), 10_000, 0.8)

    assert effective_over(samples, 1e9) < 1000


def test_an_interval_of_a_queue_holds_the_truth_as_often_as_it_says() -> None:
    """Taken as independent, the same samples hold it in less than half of the runs."""
    random, load, runs = np.random.default_rng(6), 0.8, 150
    truth, held, naive = -math.log(0.01) / (1 - load), 0, 0
    for _ in range(runs):
        samples = queue(random, 10_000, load)
        worth = effective_over(samples, truth)
        found = interval(samples, 99, effective=worth)
        held += found.low <= truth <= found.high
        plain = interval(samples, 99)
        naive += plain.low <= truth <= plain.high

    assert held / runs > 0.95 - 3 * math.sqrt(0.95 * 0.05 / runs)
    assert naive / runs < 0.5


def test_how_clocks_round_constant_times_is_no_clustering() -> None:
    begun = np.cumsum(np.random.default_rng(1).exponential(0.002, 5000))

    taken = (begun + 0.01) - begun

    assert len(np.unique(taken)) > 1
    assert effective_over(taken, 0.01) == effective_over(taken, 1.0) == len(taken)


def seconds(samples: np.ndarray, sizes: np.ndarray) -> list[Histogram]:
    """The samples in histograms of so many each."""
    found = []
    for part in np.split(samples, np.cumsum(sizes)):
        found.append(Histogram())
        found[-1].record_many(part)
    return found


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_histograms_of_each_second_tell_the_same(load: float) -> None:
    random = np.random.default_rng(7)
    ratios = []
    for _ in range(20):
        samples = queue(random, 10_000, load)
        parts = seconds(samples, random.poisson(100, 95))
        ratios.append(effective_over_time(parts, 12.0) / effective_over(samples, 12.0))

    assert np.median(ratios) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_histograms_of_each_second_tell_the_same_of_the_mean(load: float) -> None:
    random = np.random.default_rng(8)
    ratios = []
    for _ in range(20):
        samples = queue(random, 10_000, load)
        parts = seconds(samples, random.poisson(100, 95))
        ratios.append(effective_size_over_time(parts) / effective_size(samples))

    assert np.median(ratios) == pytest.approx(1, abs=0.15)


def test_the_mean_of_what_was_never_answered_is_no_mean() -> None:
    with pytest.raises(ValueError, match="expected finite samples"):
        effective_size_over_time(seconds(np.full(100, np.inf), np.full(9, 10)))


def test_of_a_few_seconds_nothing_can_be_told() -> None:
    with pytest.raises(ValueError, match="10 seconds or more, found 9"):
        effective_over_time([Histogram()] * 9, 1.0)
    with pytest.raises(ValueError, match="of 0"):
        effective_over_time([Histogram()] * 10, 1.0)
