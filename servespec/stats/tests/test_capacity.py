"""The search against servers whose capacity is known."""

from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ..capacity import Capacity, Search, Trial
from .examples import EXAMPLES

SEARCH = Search(first=100, lowest=1, highest=10_000)


def found(search: Search, capacity: float) -> tuple[Capacity, list[Trial]]:
    """The search on a server that meets the objective up to its capacity."""
    trials: list[Trial] = []
    while not isinstance(answer := search.next(trials), Capacity):
        trials.append(Trial(answer, met=answer <= capacity))
        assert len(trials) < 60
    return answer, trials


@EXAMPLES
@given(st.floats(1, 9999))
def test_the_rate_that_is_found_is_the_capacity_to_the_resolution(capacity: float) -> None:
    answer, trials = found(SEARCH, capacity)

    assert answer.rate is not None
    assert answer.missed is not None
    assert answer.rate <= capacity < answer.missed <= answer.rate * 1.05
    assert trials[-1].rate == answer.rate


def test_it_is_confirmed_by_five_trials() -> None:
    answer, trials = found(SEARCH, 777)

    assert sum(trial.rate == answer.rate for trial in trials) == 5
    assert len(trials) < 20


def test_a_capacity_beyond_the_generator_is_said_to_be_at_least_that() -> None:
    assert found(SEARCH, 1e9)[0] == Capacity(10_000, None)


def test_a_server_that_never_meets_it_has_none() -> None:
    assert found(SEARCH, 0)[0] == Capacity(None, 1)


def test_a_rate_that_does_not_hold_when_it_is_repeated_is_given_up() -> None:
    trials: list[Trial] = []
    order = count()
    while not isinstance(answer := SEARCH.next(trials), Capacity):
        wobbly = answer > 180 and next(order) % 2 == 1
        trials.append(Trial(answer, met=answer <= 200 and not wobbly))

    assert answer.rate is not None
    assert 150 < answer.rate < 200
    assert all(trial.met for trial in trials if trial.rate <= answer.rate)


def test_with_noise_it_ends_below_the_rate_that_is_met_in_half_of_the_trials() -> None:
    random = np.random.default_rng(1)
    for _ in range(100):
        trials: list[Trial] = []
        while not isinstance(answer := SEARCH.next(trials), Capacity):
            trials.append(Trial(answer, met=answer <= random.normal(500, 25)))

        assert answer.rate is not None
        assert 350 < answer.rate < 525


@pytest.mark.parametrize("bounds", [(0, 1, 2), (2, 1, 3), (1, 4, 3), (1, 2, float("inf"))])
def test_bounds_without_a_search_between_them_are_refused(bounds: tuple[float, ...]) -> None:
    lowest, first, highest = bounds

    with pytest.raises(ValueError, match="0 < lowest <= first <= highest"):
        Search(first, lowest, highest)
