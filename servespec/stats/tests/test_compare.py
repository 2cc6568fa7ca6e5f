"""The comparison catches what is slower and is quiet about what is not."""

import math
from functools import partial

import numpy as np
import pytest

from ..compare import Comparison, compare_means, compare_percentiles
from ..percentiles import Interval, percentile

ROUNDS, EACH = 12, 200
"""As a gate would ask: 2,400 requests of each."""

Random = np.random.Generator


def served(random: Random, rounds: int = ROUNDS, machine: float = 0.0) -> np.ndarray:
    """Lognormal service times (median 50 ms, sigma 0.25), one row a round.

    `machine` is by how much (sigma) the whole round is slower or faster, for A and B alike.
    """
    times = random.lognormal(math.log(0.05), 0.25, size=(2, rounds, EACH))
    return np.asarray(times * np.exp(random.normal(0, machine, size=(rounds, 1))))


@pytest.mark.parametrize(("percent", "machine"), [(50, 0.2), (95, 0.0), (99, 0.0), (99, 0.2)])
def test_a_fifth_slower_is_caught_and_no_change_is_not(percent: float, machine: float) -> None:
    """All times x1.2: at least 36 alarms of 40; A against A: at most 2 of 40 (alpha 0.01)."""
    random = np.random.default_rng(7)
    caught = alarms = 0
    for _ in range(40):
        a, b = served(random, machine=machine)
        caught += compare_percentiles(a, b * 1.2, percent, resamples=2000).slower < 0.01
        alarms += compare_percentiles(a, b, percent, resamples=2000).slower < 0.01

    assert caught >= 36
    assert alarms <= 2


@pytest.mark.parametrize("rounds", [6, 20])
@pytest.mark.parametrize("compare", [partial(compare_percentiles, percent=90), compare_means])
def test_the_interval_holds_the_truth_and_alarms_are_as_rare_as_alpha(
    compare: partial[Comparison], rounds: int
) -> None:
    random, runs, alpha, truth = np.random.default_rng(8), 200, 0.1, 1.1
    held = alarms = 0
    for _ in range(runs):
        a, b = served(random, rounds)
        found = compare(a, b * truth, alpha=alpha, margin=truth, resamples=500)
        held += found.interval.low <= truth <= found.interval.high
        alarms += found.slower < alpha

    error = 3 * math.sqrt(alpha * (1 - alpha) / runs)
    assert held / runs > 1 - alpha - error
    assert alarms / runs < alpha + error


def test_neighbours_that_are_alike_are_not_taken_for_evidence() -> None:
    """Each block has a hiccup of its own, which a bootstrap of single requests takes for news."""
    random = np.random.default_rng(9)
    alarms = 0
    for _ in range(60):
        a, b = served(random, 10) * np.exp(random.normal(0, 0.3, size=(2, 10, 1)))
        alarms += compare_percentiles(a, b, 50, resamples=4000).slower < 0.01

    assert alarms <= 3


def test_the_ratio_is_that_of_the_samples() -> None:
    a, b = served(np.random.default_rng(10))

    found = compare_percentiles(a, b * 2, 99)

    assert found.ratio == percentile(b * 2, 99) / percentile(a, 99)
    assert found.interval.low < found.ratio < found.interval.high
    assert found.slower < 0.01
    assert found.faster > 0.99
    assert compare_means(a, a).ratio == 1


def test_blocks_may_differ_in_size() -> None:
    random = np.random.default_rng(11)
    a = [random.exponential(1, size) for size in range(50, 100, 5)]

    found = compare_percentiles(a, [2 * block for block in a], 90)
    assert found.interval == Interval(2.0, 2.0)


def test_a_margin_forgives_what_lies_within_it() -> None:
    a, b = served(np.random.default_rng(12))

    assert compare_percentiles(a, b * 1.2, 50).slower < 0.01
    assert compare_percentiles(a, b * 1.2, 50, margin=1.25).slower > 0.5


def test_failures_make_it_slower_and_on_both_sides_tell_nothing() -> None:
    a, b = served(np.random.default_rng(13))
    failing = b.copy()
    failing[:, :5] = math.inf

    assert compare_percentiles(a, failing, 99).slower < 0.01
    assert compare_percentiles(a, failing, 99).ratio == math.inf
    both = compare_percentiles(failing, failing, 99)
    assert (both.ratio, both.interval) == (1.0, Interval(1.0, 1.0))
    assert both.slower > 0.99


def test_one_failure_makes_the_mean_infinite_where_its_round_was_drawn() -> None:
    a, b = served(np.random.default_rng(14))
    b[0, 0] = math.inf

    found = compare_means(a, b)
    assert found.ratio == found.interval.high == math.inf
    assert found.interval.low < 1.1  # a third of the draws leave the round out


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([[1.0]] * 8, [[1.0]] * 8),
        ([[1.0]] * 9, [[1.0]] * 10),
        ([[]] * 9, [[1.0]] * 9),
        ([], []),
    ],
)
def test_rounds_that_cannot_be_compared_are_refused(
    a: list[list[float]], b: list[list[float]]
) -> None:
    with pytest.raises(ValueError, match="expected"):
        compare_percentiles(a, b, 50)
