"""The bend of curves whose bend is known."""

import math

import numpy as np
import pytest

from ..knee import find_knee

LOADS = np.linspace(50, 400, 15)


def bent(loads: np.ndarray, knee: float, before: float, after: float) -> np.ndarray:
    return np.asarray(10 + before * loads + (after - before) * np.maximum(0, loads - knee))


def test_without_noise_the_bend_and_the_slopes_are_those_of_the_curve() -> None:
    found = find_knee(LOADS, bent(LOADS, 260, 0.01, 0.8))

    assert found.load == pytest.approx(260, rel=0.01)
    assert (found.before, found.after) == pytest.approx((0.01, 0.8), abs=0.01)
    assert found.interval.low <= found.load <= found.interval.high
    assert found.gain > 0.99


def test_what_is_achieved_bends_at_the_capacity() -> None:
    found = find_knee(LOADS[::-1], np.minimum(LOADS[::-1], 210))

    assert found.load == pytest.approx(210, rel=0.01)
    assert (found.before, found.after) == pytest.approx((1, 0), abs=0.02)


def test_the_interval_holds_the_bend_as_often_as_it_says() -> None:
    random, runs, knee = np.random.default_rng(3), 200, 263.0
    loads = np.repeat(LOADS, 2)
    curve = bent(loads, knee, 0.02, 0.5)

    held, widths = 0, []
    for _ in range(runs):
        found = find_knee(loads, curve + random.normal(0, 4, loads.size), resamples=300)
        held += found.interval.low <= knee <= found.interval.high
        widths.append(found.interval.high - found.interval.low)

    assert held / runs > 0.95 - 3 * math.sqrt(0.95 * 0.05 / runs)
    assert np.median(widths) < 60


def test_a_straight_line_gains_little_and_its_bend_may_be_anywhere() -> None:
    noise = np.random.default_rng(4).normal(0, 1, LOADS.size)

    found = find_knee(LOADS, 0.1 * LOADS + noise)

    assert found.gain < 0.5
    assert found.interval.high - found.interval.low > 150


@pytest.mark.parametrize(
    ("loads", "responses"),
    [([1, 2, 3, 4, 5], [1, 2, 3, 4, 5]), (range(9), range(8)), (range(9), [math.inf] * 9)],
)
def test_too_little_to_fit_is_refused(loads: list[float], responses: list[float]) -> None:
    with pytest.raises(ValueError, match="6 loads or more"):
        find_knee(list(loads), list(responses))
