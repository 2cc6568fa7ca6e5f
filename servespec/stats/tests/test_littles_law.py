"""Both sides of the law on arrivals whose truth is known."""

import math

import numpy as np
import pytest

from ..littles_law import Balance, from_samples, over_window


def requests() -> tuple[np.ndarray, np.ndarray]:
    """A hundred a second for a minute, each a tenth of a second on average."""
    random = np.random.default_rng(1)
    return np.sort(random.uniform(0, 60, 6000)), random.exponential(0.1, 6000)


def counted(arrivals: np.ndarray, stays: np.ndarray, moments: np.ndarray) -> np.ndarray:
    begun = np.searchsorted(np.sort(arrivals), moments)
    return np.asarray(begun - np.searchsorted(np.sort(arrivals + stays), moments))


def test_a_steady_window_balances() -> None:
    balance = over_window(*requests(), 5, 55)

    assert balance.rate == pytest.approx(100, rel=0.05)
    assert balance.seconds == pytest.approx(0.1, rel=0.05)
    assert balance.difference < 0.01


def test_a_queue_that_grows_does_not() -> None:
    arrivals = np.arange(0, 60, 0.01)
    stays = 0.2 * arrivals + 0.1  # each waits longer than the one before

    assert over_window(arrivals, stays, 5, 55).difference > 0.05


def test_what_was_counted_agrees_with_complete_records() -> None:
    arrivals, stays = requests()
    counts = counted(arrivals, stays, np.arange(5, 55, 0.01))

    assert from_samples(counts, arrivals, stays, 5, 55).difference < 0.02


@pytest.mark.parametrize("kept", [slice(0, None, 2), slice(0, 5400)])
def test_records_that_were_lost_are_noticed(kept: slice) -> None:
    arrivals, stays = requests()
    counts = counted(arrivals, stays, np.arange(5, 59, 0.01))

    assert from_samples(counts, arrivals[kept], stays[kept], 5, 59).difference > 0.05


def test_what_was_never_answered_is_in_flight_to_the_end() -> None:
    balance = from_samples([1, 1], [0.0], [math.inf], 0, 10)

    assert balance == Balance(1.0, 0.1, 10.0)
    assert balance.difference == 0
    assert Balance(0, 0, 0).difference == 0


@pytest.mark.parametrize("window", [(100, 110), (10, 10)])
def test_a_window_without_requests_is_refused(window: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="found none"):
        over_window(*requests(), *window)
    with pytest.raises(ValueError, match="found none"):
        from_samples([0], *requests(), *window)


def test_a_balance_without_counts_is_refused() -> None:
    with pytest.raises(ValueError, match="in flight, found none"):
        from_samples([], *requests(), 0, 10)
