"""Objectives as a person writes them."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ..objective import Measure, Objective, ObjectiveError

EXAMPLES = settings(max_examples=100, deadline=None, database=None)

WRITTEN = [
    ("p99 < 100ms", Objective(Measure.PERCENTILE, 0.1, 99), "p99 < 100ms"),
    ("p99<0.1s", Objective(Measure.PERCENTILE, 0.1, 99), "p99 < 100ms"),
    (" p99.9 < 1.5 s ", Objective(Measure.PERCENTILE, 1.5, 99.9), "p99.9 < 1.5s"),
    ("p50 < 250us", Objective(Measure.PERCENTILE, 0.00025, 50), "p50 < 250us"),
    ("p50 < 250µs", Objective(Measure.PERCENTILE, 0.00025, 50), "p50 < 250us"),
    ("mean < .5us", Objective(Measure.MEAN, 5e-7), "mean < 0.5us"),
    ("error_rate < 0.1%", Objective(Measure.ERROR_RATE, 0.001), "error_rate < 0.1%"),
    ("error_rate < 0.001", Objective(Measure.ERROR_RATE, 0.001), "error_rate < 0.1%"),
    ("p99/p50 < 5", Objective(Measure.RATIO, 5, 99, 50), "p99/p50 < 5"),
    ("p99.9 / p50 < 7.5", Objective(Measure.RATIO, 7.5, 99.9, 50), "p99.9/p50 < 7.5"),
    ("throughput > 500", Objective(Measure.THROUGHPUT, 500), "throughput > 500"),
    ("throughput > 1000/s", Objective(Measure.THROUGHPUT, 1000), "throughput > 1000"),
]

MISTAKES = [
    ("p99", 'expected a measure, "<" or ">", and a bound: "p99 < 100ms", found \'p99\''),
    ("p99 > 100ms", "expected \"<\" after p99, found '>'"),
    ("p99 <= 100ms", "expected \"<\" after p99, found '<='"),
    ("throughput < 500", "expected \">\" after throughput, found '<'"),
    ("latency < 100ms", "expected p50, p99.9, p99/p50, mean, error_rate or throughput, found 'lat"),
    ("p100 < 1s", "expected p50, p99.9, p99/p50"),
    ("p0 < 1s", "found 'p0'"),
    ("p99 < 100", "expected a bound such as 100ms, 0.1s or 250us, found '100'"),
    ("p99 < fast", "found 'fast'"),
    ("p99 < -1ms", "found '-1ms'"),
    ("p99 <", "found ''"),
    ("p99 < 0ms", "expected a bound above 0, found '0ms'"),
    ("p50/p99 < 5", "expected the higher percentile over the lower one, found 'p50/p99'"),
    ("p99/p0 < 5", "expected the higher percentile over the lower one"),
    ("p99/p50 < 1", "expected a ratio above 1, found '1'"),
    ("p99/p50 < 5ms", "expected a bound such as 5, found '5ms'"),
    ("error_rate < 5ms", "expected a bound such as 0.1%, found '5ms'"),
    ("error_rate < 100%", "expected an error rate below 100%, found '100%'"),
]


@pytest.mark.parametrize(("text", "objective", "canonical"), WRITTEN)
def test_an_objective_is_read_and_written(text: str, objective: Objective, canonical: str) -> None:
    assert Objective.parse(text) == objective
    assert str(objective) == canonical


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_a_mistake_is_one_line_with_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(ObjectiveError) as caught:
        Objective.parse(text)

    line = str(caught.value)
    assert line.startswith(f"objective {text!r}: expected ")
    assert message in line
    assert "\n" not in line


def percents(least: int = 1) -> st.SearchStrategy[float]:
    """Percents of up to five decimals."""
    return st.integers(least, 9_999_999).map(lambda n: n / 100_000)


bounds = st.floats(1e-9, 1e9)
objectives = st.one_of(
    st.builds(Objective, st.just(Measure.PERCENTILE), bounds, percents()),
    st.builds(Objective, st.sampled_from([Measure.MEAN, Measure.THROUGHPUT]), bounds),
    st.builds(Objective, st.just(Measure.ERROR_RATE), st.floats(1e-9, 0.999)),
    st.builds(
        Objective, st.just(Measure.RATIO), st.floats(1.01, 1e6), percents(6_000_000), st.just(50.0)
    ),
)


@EXAMPLES
@given(objectives)
def test_what_is_written_is_read_as_the_same(objective: Objective) -> None:
    assert Objective.parse(str(objective)) == objective
    assert str(Objective.parse(str(objective))) == str(objective)


words = st.sampled_from(["p99", "p", "/", "mean", "throughput", "<", ">", "5", ".", "ms", "%", " "])


@EXAMPLES
@given(st.one_of(st.text(max_size=20), st.lists(words, max_size=8).map("".join)))
def test_any_text_is_an_objective_or_a_mistake(text: str) -> None:
    with suppress(ObjectiveError):
        assert Objective.parse(str(Objective.parse(text))) == Objective.parse(text)


def test_the_share_that_may_be_over_is_exact() -> None:
    texts = ("p99.9 < 1s", "error_rate < 0.1%", "p99/p50 < 5")

    assert [Objective.parse(text).allowed for text in texts] == [0.001, 0.001, None]
