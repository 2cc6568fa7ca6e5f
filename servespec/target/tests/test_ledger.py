"""Schedules are the same for the same seed; a ledger loses nothing on its way to Parquet."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ..outcomes import Untestable
from ..traffic import Ledger, Outcome, Row, constant, poisson

LEDGER = Ledger(
    (
        Row("a", 0.0, 0.001, 0.002, 0.1, 200, "1", Outcome.ANSWERED, ""),
        Row("b", 0.5, math.nan, math.nan, 0.6, 0, "", Outcome.FAILED, "no connection"),
    ),
    started=12.0,
)


def test_a_constant_schedule_has_even_distances() -> None:
    assert constant(4, 1.5).tolist() == [0, 0.25, 0.5, 0.75, 1, 1.25]


def test_a_poisson_schedule_is_ascending_and_the_same_for_the_same_seed() -> None:
    offsets = poisson(100, 50, seed=7)
    assert offsets.tolist() == poisson(100, 50, seed=7).tolist()
    assert offsets.tolist() != poisson(100, 50, seed=8).tolist()
    assert (np.diff(offsets) >= 0).all()
    assert 0 <= offsets[0] < offsets[-1] < 50


def test_the_distances_of_a_poisson_schedule_are_exponential() -> None:
    gaps = np.diff(poisson(100, 500, seed=7))
    assert abs(gaps.mean() * 100 - 1) < 0.02
    assert abs(gaps.std() * 100 - 1) < 0.02
    assert abs(np.mean(gaps > 0.01) - math.exp(-1)) < 0.01


def test_the_counts_name_every_outcome() -> None:
    assert LEDGER.counts() == {
        Outcome.ANSWERED: 1,
        Outcome.REFUSED: 0,
        Outcome.FAILED: 1,
        Outcome.LOST: 0,
        Outcome.DOUBLED: 0,
        Outcome.CROSSED: 0,
    }


def test_a_ledger_comes_back_from_parquet_as_it_was(tmp_path: Path) -> None:
    LEDGER.write_parquet(tmp_path / "ledger.parquet")
    frame = pd.read_parquet(tmp_path / "ledger.parquet")
    pd.testing.assert_frame_equal(frame, LEDGER.to_frame(), check_dtype=False)
    assert frame["outcome"].tolist() == ["answered", "failed"]
    assert frame["done"].tolist() == [0.1, 0.6]
    assert math.isnan(frame["sent"][1])


def test_an_empty_ledger_has_its_columns() -> None:
    assert list(Ledger((), 0.0).to_frame()) == list(Row.__slots__)


def test_answers_a_second_are_counted_behind_the_first_of_each_caller() -> None:
    rows = tuple(
        Row(str(done), 0.0, 0.0, 0.0, done, 200, "1", Outcome.ANSWERED, "")
        for done in (0.1, 0.1, 0.5, 0.7, 0.9)
    )
    assert math.isclose(Ledger(rows, 0.0).answers_a_second(2), 5.0)


def test_a_request_that_is_not_answered_leaves_no_rate() -> None:
    with pytest.raises(Untestable, match=r"2 at a time, 1 of 2 requests .* no connection"):
        LEDGER.answers_a_second(2)
