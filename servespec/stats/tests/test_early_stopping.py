"""The rule that stops a test against exact enumeration and published figures."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ..early_stopping import Decision, decide, fewest, proven
from ..effective import effective_over
from .examples import EXAMPLES
from .queues import queue

counts = st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))
shares = st.sampled_from([Fraction(1, 100), Fraction(1, 20), Fraction(1, 10), Fraction(1, 2)])

PUBLISHED = [
    (0.05, 0.95, (59, 93, 124)),
    (0.01, 0.95, (299, 473, 628)),
    (0.001, 0.95, (2995, 4742, 6294)),
    (0.1, 0.99, (44, 64, 81)),
    (0.01, 0.99, (459, 662, 838)),  # 662 is LoadGen's smallest number of queries for a p99
    (0.001, 0.99, (4603, 6636, 8403)),
]


def chance(n: int, numbers: range, share: Fraction) -> Fraction:
    """P(Binom(n, share) in numbers), exactly."""
    return sum((math.comb(n, i) * share**i * (1 - share) ** (n - i) for i in numbers), Fraction(0))


@EXAMPLES
@given(counts, shares)
def test_the_decision_is_that_of_exact_enumeration(
    seen: tuple[int, int], allowed: Fraction
) -> None:
    n, bad = seen

    found = decide(n, bad, float(allowed), 0.9)

    below = Fraction(bad, n) < allowed
    kept = below and chance(n, range(bad + 1), allowed) <= Fraction(1, 10)
    missed = not below and chance(n, range(bad, n + 1), allowed) <= Fraction(1, 10)
    assert (found.kept, found.missed) == (kept, missed)


@pytest.mark.parametrize(("allowed", "confidence", "published"), PUBLISHED)
def test_the_fewest_requests_are_the_published_ones(
    allowed: float, confidence: float, published: tuple[int, ...]
) -> None:
    assert tuple(fewest(allowed, bad, confidence) for bad in range(3)) == published


@pytest.mark.parametrize("allowed", [Fraction(1, 100), Fraction(1, 10)])
def test_a_target_at_the_very_bound_passes_or_fails_in_one_run_of_a_hundred(
    allowed: Fraction,
) -> None:
    n = 1000
    found = [decide(n, bad, float(allowed)) for bad in range(n + 1)]

    for side in ("kept", "missed"):
        wrong = [bad for bad, decision in enumerate(found) if getattr(decision, side)]
        assert wrong
        assert chance(n, range(wrong[0], wrong[-1] + 1), allowed) <= Fraction(1, 100)


def test_what_is_needed_is_what_is_missing_to_the_fewest() -> None:
    assert decide(400, 0, 0.01) == Decision(kept=False, missed=False, needed=59)
    assert decide(459, 0, 0.01) == Decision(kept=True, missed=False, needed=0)
    assert decide(3, 3, 0.01).missed


@EXAMPLES
@given(st.integers(1, 3000), st.floats(0, 0.3))
def test_after_as_many_more_as_were_needed_it_is_decided(n: int, share: float) -> None:
    bad = round(n * share)
    found = decide(n, bad, 0.05)
    if found.needed is None:
        assert bad / n == pytest.approx(0.05, abs=1e-3)
        return

    total = n + found.needed
    later = total * Fraction(bad, n)
    after = decide(total, math.ceil(later) if bad / n < 0.05 else math.floor(later), 0.05)

    assert after.kept or after.missed


def test_a_share_just_as_allowed_is_never_decided() -> None:
    assert decide(1000, 10, 0.01) == Decision(kept=False, missed=False, needed=None)


def test_requests_that_are_worth_less_need_more_of_them() -> None:
    assert decide(1000, 0, 0.01).kept
    assert decide(1000, 0, 0.01, effective=100).needed == 3590
    assert decide(1000, 100, 0.01).missed
    assert not decide(1000, 30, 0.01, effective=50).missed


@pytest.mark.parametrize(("count", "bad"), [(0, 0), (5, 6), (5, -1)])
def test_numbers_that_cannot_be_are_refused(count: int, bad: int) -> None:
    with pytest.raises(ValueError, match=f"found {bad} of {count}"):
        decide(count, bad, 0.01)


def test_a_queue_at_the_very_bound_is_as_rarely_misjudged_as_independent_requests() -> None:
    """Taken as independent, its requests pass or fail it in more than half of the runs."""
    random, runs, load = np.random.default_rng(11), 200, 0.8
    bound = -math.log(0.01) / (1 - load)  # of the response times just 1 % are longer
    wrong = naive = 0
    for _ in range(runs):
        samples = queue(random, 10_000, load)
        bad = int((samples >= bound).sum())
        judged = decide(10_000, bad, 0.01, effective=effective_over(samples, bound))
        plain = decide(10_000, bad, 0.01)
        wrong += judged.kept or judged.missed
        naive += plain.kept or plain.missed

    assert wrong / runs <= 0.02 + 3 * math.sqrt(0.02 / runs)
    assert naive / runs > 0.5


@pytest.mark.parametrize(("allowed", "few"), [(0.1, 64), (0.01, 662)])
def test_an_estimate_takes_as_many_samples_as_in_loadgen(allowed: float, few: int) -> None:
    ascending = np.arange(1.0, few + 1)

    assert proven(ascending, allowed) == few
    assert proven(ascending[:-1], allowed) == np.inf
    assert proven(ascending, allowed, effective=few - 1) == np.inf


def test_an_estimate_is_below_the_true_percentile_once_in_a_hundred() -> None:
    random = np.random.default_rng(3)
    found = np.array([proven(random.random(1000), 0.1) for _ in range(2000)])

    assert np.mean(found < 0.9) < 0.015
    assert 0.91 < np.median(found) < 0.93
