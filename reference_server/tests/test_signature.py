"""Requests against a model's signature; the doors' tests have the texts of the usual refusals."""

import numpy as np
import pytest

from servespec.wire.messages import InferRequest, RequestedOutput, Tensor, TensorMetadata

from ..errors import InvalidRequest
from ..signature import SharedDimension, Signature

SIGNATURE = Signature(
    {name: TensorMetadata(name, "FP32", (-1, 2)) for name in ("a", "b")},
    {name: TensorMetadata(name, "FP32", (-1, 2)) for name in ("y", "z")},
    (SharedDimension("N", (("a", 0), ("b", 0))),),
)


def request(a_rows: int, b_rows: int, *outputs: str) -> InferRequest:
    """A request for both inputs, the second one first."""
    inputs = [
        Tensor(name, "FP32", np.zeros((rows, 2))) for name, rows in (("b", b_rows), ("a", a_rows))
    ]
    return InferRequest("m", tuple(inputs), outputs=tuple(map(RequestedOutput, outputs)))


def test_tensors_are_bound_by_name_and_all_outputs_are_the_default() -> None:
    work = SIGNATURE.validate(request(3, 3))
    assert set(work.tensors) == {"a", "b"}
    assert work.outputs == ("y", "z")


def test_outputs_keep_the_order_of_the_request() -> None:
    assert SIGNATURE.validate(request(1, 1, "z", "y")).outputs == ("z", "y")


def test_an_empty_batch_fits_a_variable_dimension() -> None:
    assert SIGNATURE.validate(request(0, 0)).tensors["a"].shape == (0, 2)


def test_a_tensor_without_elements_cannot_make_a_model_answer_gigabytes() -> None:
    columns = Signature({"x": TensorMetadata("x", "FP32", (-1, -1))}, SIGNATURE.outputs)
    hostile = Tensor("x", "FP32", np.zeros((2**32, 0), np.float32))
    with pytest.raises(InvalidRequest, match=r"shape \[4294967296, 0\] has no elements"):
        columns.validate(InferRequest("m", (hostile,)))


def test_a_dimension_that_inputs_share_has_one_size() -> None:
    with pytest.raises(InvalidRequest, match="'N' differs between inputs: 3 in 'a', 4 in 'b'"):
        SIGNATURE.validate(request(3, 4))


def test_an_unknown_output_is_named() -> None:
    with pytest.raises(InvalidRequest, match="unknown output 'q'; expected 'y', 'z'"):
        SIGNATURE.validate(request(1, 1, "q"))
