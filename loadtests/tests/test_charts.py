"""Charts: scales that can be read, and drawings that hide nothing."""

import math

import pytest

from ..showing.charts import Scale, fitted, whole


def test_a_logarithmic_scale_puts_equal_ratios_equally_far_apart() -> None:
    scale = Scale(1, 100, 0, 200, logarithmic=True)
    assert [scale(value) for value in (1, 10, 100)] == pytest.approx([0, 100, 200])


def test_a_value_beyond_the_ends_is_drawn_at_the_end() -> None:
    scale = Scale(0, 10, 300, 100)
    assert (scale(-5), scale(5), scale(99)) == (300, 200, 100)


@pytest.mark.parametrize("high", [1, 3, 7, 60, 3600, 0.03])
def test_ticks_are_few_and_within_the_scale(high: float) -> None:
    ticks = Scale(0, high, 0, 1).ticks()
    assert 2 <= len(ticks) <= 8
    assert all(0 <= tick <= high * 1.001 for tick in ticks)


def test_seconds_are_marked_at_whole_ones_alone() -> None:
    assert list(whole(Scale(0, 1, 0, 1)).values()) == ["0", "1"]


def test_a_fitted_scale_holds_every_value_and_leaves_out_what_has_none() -> None:
    scale = fitted([0.0031, None, 0.42, 0.0], 300, 0)
    assert scale.low == pytest.approx(0.002)
    assert scale.high == pytest.approx(0.5)


def test_a_scale_fitted_to_one_value_or_to_none_is_still_a_scale() -> None:
    for values in ([0.001], [None], []):
        assert math.isfinite(fitted(values, 300, 0)(0.001))
