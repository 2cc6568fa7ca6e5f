"""A batch runs as one, and each piece of work has the outcome that it would have had alone."""

from collections.abc import Sequence

import numpy as np
import pytest

from ..errors import ComputeFailed, InvalidRequest
from ..merging import Merger
from ..model_file import Batching, Padding
from ..pipeline import Outcome, Tensors
from ..signature import Work


class Model:
    """Doubles rows, remembers what ran; a 13 makes it raise."""

    def __init__(self) -> None:
        self.ran = list[list[float]]()

    def __call__(self, work: Work) -> Tensors:
        """Compute."""
        x = work.tensors["x"]
        self.ran.append(x.ravel().tolist())
        if 13 in x:
            raise RuntimeError("13")
        if 14 in x:
            raise InvalidRequest("14 does not suit the runtime")
        return [x * 2 if name == "y" else x * 3 for name in work.outputs]


def work(*rows: float) -> Work:
    """Work of these rows."""
    return Work({"x": np.array(rows, "<f4").reshape(-1, 1)}, ("y", "z"))


def values(outcomes: Sequence[Outcome]) -> list[list[list[float]] | type[Exception]]:
    """The outputs of each work, or how it failed."""
    return [
        type(each) if isinstance(each, Exception) else [array.ravel().tolist() for array in each]
        for each in outcomes
    ]


@pytest.fixture
def model() -> Model:
    """One that has not run."""
    return Model()


def test_a_batch_is_one_execution_and_everybody_gets_their_own_rows(model: Model) -> None:
    merger = Merger("'m'", model, Batching(max_rows=8))
    outcomes = merger([work(1), work(2, 3), work(4)])
    assert values(outcomes) == [[[2], [3]], [[4, 6], [6, 9]], [[8], [12]]]
    assert model.ran == [[1, 2, 3, 4]]
    assert list(merger.executed) == [4]


def test_a_single_piece_of_work_is_not_copied(model: Model) -> None:
    single = work(1)
    (outcome,) = Merger("'m'", lambda asked: [asked.tensors["x"]], Batching(max_rows=8))([single])
    assert not isinstance(outcome, Exception)
    assert outcome[0] is single.tensors["x"]


def test_only_what_the_model_cannot_take_fails(model: Model) -> None:
    merger = Merger("'m'", model, Batching(max_rows=8))
    outcomes = merger([work(1), work(2, 13), work(3), work(14), work(4)])
    assert values(outcomes) == [
        [[2], [3]],
        ComputeFailed,
        [[6], [9]],
        InvalidRequest,
        [[8], [12]],
    ]
    assert sum(merger.executed) == 3


def test_what_is_larger_than_a_batch_runs_in_parts(model: Model) -> None:
    merger = Merger("'m'", model, Batching(max_rows=2))
    assert values(merger([work(1, 2, 3, 4, 5)])) == [[[2, 4, 6, 8, 10], [3, 6, 9, 12, 15]]]
    assert model.ran == [[1, 2], [3, 4], [5]]
    assert list(merger.executed) == [2, 2, 1]


def test_a_model_that_is_not_batched_runs_whatever_its_size(model: Model) -> None:
    merger = Merger("'m'", model, None)
    assert values(merger([work(1, 2, 3)])) == [[[2, 4, 6], [3, 6, 9]]]
    assert list(merger.executed) == [1]


@pytest.mark.parametrize("broken", [[np.zeros((1, 1))], [np.float32(0)], [np.zeros((9, 1))]])
def test_where_the_rows_of_a_batch_do_not_come_back_it_runs_one_by_one(
    broken: Tensors, caplog: pytest.LogCaptureFixture
) -> None:
    merger = Merger("'m'", lambda _asked: broken, Batching(max_rows=8))
    for _ in range(2):
        outcomes = merger([Work(work(1).tensors, ("y",)), Work(work(2).tensors, ("y",))])
        assert outcomes == [broken, broken]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "model 'm' should not be batched: output 'y' has shape" in caplog.text


def test_where_the_rows_of_a_part_do_not_come_back_it_fails() -> None:
    merger = Merger("'m'", lambda _asked: [np.zeros((1, 1))], Batching(max_rows=2))
    (outcome,) = merger([Work(work(1, 2, 3).tensors, ("y",))])
    assert isinstance(outcome, ComputeFailed)
    assert str(outcome) == "model 'm' takes 2 rows at most"


def padded(*lengths: int) -> tuple[list[Work], Merger, list[Work]]:
    """Rows of ones of these lengths, for a model whose ids are padded with 9."""
    padding = Padding(axis=1, values={"ids": 9}, buckets=(8,), outputs=("tokens",))
    ran = list[Work]()

    def run(asked: Work) -> Tensors:
        ran.append(asked)
        ids = asked.tensors["ids"]
        return [ids * 2, (ids * asked.tensors["scale"] * (ids != 9)).sum(axis=1)]

    works = [
        Work({"scale": np.ones((1, 1)), "ids": np.ones((1, length))}, ("tokens", "sum"))
        for length in lengths
    ]
    return works, Merger("'m'", run, Batching(max_rows=8, padding=padding)), ran


def test_padding_is_put_on_and_taken_off_again() -> None:
    works, merger, ran = padded(2, 3, 1)
    assert values(merger(works)) == [[[2, 2], [2]], [[2, 2, 2], [3]], [[2], [1]]]
    assert ran[0].tensors["ids"].tolist() == [[1, 1, 9], [1, 1, 1], [1, 9, 9]]


def test_equal_lengths_are_not_padded() -> None:
    works, merger, ran = padded(2, 2)
    assert values(merger(works)) == [[[2, 2], [2]], [[2, 2], [2]]]
    assert ran[0].tensors["ids"].shape == (2, 2)
