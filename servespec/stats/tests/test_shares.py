"""Bands and tails as they stand in tables, and as often wrong as they say."""

import numpy as np
import pytest

from ..shares import band, chi_square_tail, sample_ratio


@pytest.mark.parametrize(
    ("count", "least", "most"), [(1_000, 2, 22), (10_000, 69, 134), (100_000, 898, 1_105)]
)
def test_the_band_of_a_canary_of_one_percent(count: int, least: int, most: int) -> None:
    assert band(count, 0.01) == (least, most)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_band_of_none_or_all_is_one_count(share: float) -> None:
    assert band(50, share) == (50 * share, 50 * share)


@pytest.mark.parametrize(
    ("statistic", "freedom", "tail"),
    [
        (3.841459, 1, 0.05),
        (6.634897, 1, 0.01),
        (5.991465, 2, 0.05),
        (16.266236, 3, 0.001),
        (18.307038, 10, 0.05),
        (0.0, 4, 1.0),
    ],
)
def test_the_tail_of_chi_square_is_that_of_the_tables(
    statistic: float, freedom: int, tail: float
) -> None:
    assert chi_square_tail(statistic, freedom) == pytest.approx(tail, rel=1e-5)


def test_a_sound_split_is_suspected_as_often_as_it_says() -> None:
    random = np.random.default_rng(7)
    weights = {"a": 0.6, "b": 0.3, "c": 0.1}
    drawn = random.multinomial(1000, list(weights.values()), size=4000)
    found = [sample_ratio(dict(zip(weights, map(int, row), strict=True)), weights) for row in drawn]
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=0.012)


def test_an_uneven_split_is_noticed() -> None:
    assert sample_ratio({"a": 821_588, "b": 815_482}, {"a": 1, "b": 1}) < 1e-5
    assert sample_ratio({"a": 500, "b": 500}, {"a": 1, "b": 1}) == 1.0
    assert sample_ratio({"a": 100}, {"a": 1, "b": 1}) < 1e-9


@pytest.mark.parametrize("weights", [{"a": 1.0}, {"a": 1.0, "b": 0.0}])
def test_a_variant_without_a_weight_is_no_variant(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="each with a weight"):
        sample_ratio({"a": 5, "b": 5}, weights)
