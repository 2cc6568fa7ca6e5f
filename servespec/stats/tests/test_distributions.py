"""The distributions against exact enumeration and printed tables."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ..distributions import binomial_cdf, student_cdf, student_quantile
from .examples import EXAMPLES


@EXAMPLES
@given(n=st.integers(1, 300), k=st.integers(-1, 301), p=st.floats(0.001, 0.999))
def test_the_binomial_sum_is_that_of_its_terms(n: int, k: int, p: float) -> None:
    terms = (math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(min(k, n) + 1))

    assert binomial_cdf(k, n, p) == pytest.approx(math.fsum(terms), abs=1e-11)


@pytest.mark.parametrize(("k", "p", "expected"), [(3, 0.0, 1.0), (3, 1.0, 0.0), (5, 1.0, 1.0)])
def test_what_is_certain_has_no_terms(k: int, p: float, expected: float) -> None:
    assert binomial_cdf(k, 5, p) == expected


def test_a_million_draws_are_as_the_normal_distribution_says() -> None:
    n, p = 1_000_000, 0.01
    deviation = math.sqrt(n * p * (1 - p))

    for z, share in ((-2.0, 0.02275), (0.0, 0.5), (2.0, 0.97725)):
        assert binomial_cdf(round(n * p + z * deviation), n, p) == pytest.approx(share, abs=3e-3)


TABLE = [(1, 0.975, 12.706), (2, 0.975, 4.303), (9, 0.99, 2.821), (10, 0.95, 1.812)]


@pytest.mark.parametrize(("freedom", "share", "t"), [*TABLE, (29, 0.995, 2.756)])
def test_student_quantiles_are_those_of_the_tables(freedom: int, share: float, t: float) -> None:
    assert student_quantile(share, freedom) == pytest.approx(t, abs=5e-4)
    assert student_cdf(-t, freedom) == pytest.approx(1 - share, abs=5e-5)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_no_quantile_is_certain(share: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        student_quantile(share, 5)
