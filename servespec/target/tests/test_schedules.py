"""Schedules: as many arrivals as were asked for, when they were, the same for the same seed."""

from collections.abc import Callable

import numpy as np
import pytest

from ..schedules import constant, diurnal, gamma, poisson, ramp, spike, step, varying

SECONDS = 100.0
MADE: dict[str, tuple[Callable[[int], np.ndarray], float]] = {
    "poisson": (lambda seed: poisson(200, SECONDS, seed), 20_000),
    "gamma": (lambda seed: gamma(200, SECONDS, seed, variation=2.0), 20_000),
    "ramp": (lambda seed: ramp(100, 300, SECONDS, seed), 20_000),
    "step": (lambda seed: step([100, 400], SECONDS, seed), 25_000),
    "spike": (lambda seed: spike(100, 10, SECONDS, seed), 19_000),
    "diurnal": (lambda seed: diurnal(200, 0.5, SECONDS, seed), 20_000),
}


@pytest.mark.parametrize("name", MADE)
def test_a_schedule_has_the_arrivals_that_its_rate_promises(name: str) -> None:
    make, expected = MADE[name]
    offsets = make(1)
    assert abs(len(offsets) - expected) < 10 * np.sqrt(expected)  # bursts: twice Poisson's spread
    assert np.all(np.diff(offsets) >= 0)
    assert offsets[0] >= 0
    assert offsets[-1] < SECONDS


@pytest.mark.parametrize("name", MADE)
def test_the_same_seed_makes_the_same_schedule_and_another_one_another(name: str) -> None:
    make, _ = MADE[name]
    assert np.array_equal(make(7), make(7))
    assert not np.array_equal(make(7)[:100], make(8)[:100])


def test_a_constant_rate_is_even() -> None:
    assert np.allclose(np.diff(constant(50, 2)), 0.02)


@pytest.mark.parametrize("variation", [0.5, 1.0, 3.0])
def test_the_gaps_of_bursts_vary_as_much_as_was_asked(variation: float) -> None:
    gaps = np.diff(gamma(1000, SECONDS, 1, variation))
    assert gaps.std() / gaps.mean() == pytest.approx(variation, rel=0.05)


def test_a_ramp_has_its_rates_at_its_ends_and_between() -> None:
    counts, _ = np.histogram(ramp(100, 300, SECONDS, 1), bins=10, range=(0, SECONDS))
    assert counts / 10 == pytest.approx(np.linspace(110, 290, 10), rel=0.1)


def test_a_step_jumps() -> None:
    counts, _ = np.histogram(step([100, 400], SECONDS, 1), bins=4, range=(0, SECONDS))
    assert counts / 25 == pytest.approx([100, 100, 400, 400], rel=0.1)


def test_a_spike_is_the_middle_tenth() -> None:
    counts, _ = np.histogram(spike(100, 10, SECONDS, 1), bins=20, range=(0, SECONDS))
    assert counts / 5 == pytest.approx([100] * 9 + [1000] * 2 + [100] * 9, rel=0.2)


def test_a_day_is_quiet_at_its_ends_and_busy_at_noon() -> None:
    counts, _ = np.histogram(diurnal(200, 0.5, SECONDS, 1), bins=50, range=(0, SECONDS))
    assert counts[[0, 25, 49]] / 2 == pytest.approx([100, 300, 100], rel=0.15)


def test_a_rate_may_rise_from_nothing() -> None:
    offsets = varying([(0.0, 0.0), (10.0, 100.0)], seed=1)
    assert np.mean(offsets < 5) == pytest.approx(0.25, abs=0.08)
