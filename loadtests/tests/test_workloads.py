"""What is asked is the same for the same seed, and mixed as promised."""

import numpy as np
import pytest

from ..sending.plan import PlanError
from ..sending.workloads import WORKLOADS, workload_of


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_same_seed_asks_the_same(name: str) -> None:
    first, second = workload_of(name, 3), workload_of(name, 3)

    assert (first.choice(1000, 3) == second.choice(1000, 3)).all()
    for one, other in zip(first.questions, second.questions, strict=True):
        assert one.request.model_name == other.request.model_name
        assert (one.request.inputs[0].array == other.request.inputs[0].array).all()


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_shares_are_all_of_it_and_are_kept(name: str) -> None:
    workload = workload_of(name, 1)
    seen = np.bincount(workload.choice(20_000, 1), minlength=len(workload.questions)) / 20_000

    assert workload.shares.sum() == pytest.approx(1)
    assert np.abs(seen - workload.shares).max() < 0.02


def test_another_seed_asks_in_another_order() -> None:
    workload = workload_of("mixed", 1)

    assert (workload.choice(1000, 1) != workload.choice(1000, 2)).any()


def test_one_in_a_hundred_is_poisoned_and_says_so() -> None:
    workload = workload_of("poisoned", 1)
    share = sum(
        part
        for part, question in zip(workload.shares, workload.questions, strict=True)
        if question.poisoned
    )

    assert share == pytest.approx(0.01)


def test_an_unknown_workload_is_one_line() -> None:
    with pytest.raises(PlanError, match="workload: expected one of identity, image,"):
        workload_of("nope", 1)
