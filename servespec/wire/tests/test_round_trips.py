"""What is written is read back as it was, bit by bit, on every plane."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from .. import grpc, rest
from ..messages import InferRequest, InferResponse, Tensor
from ..proto import ModelInferRequest, ModelInferResponse
from .same import assert_same
from .strategies import ALL, IN_JSON, ROUND_TRIP, TYPED, requests, responses


@ROUND_TRIP
@given(request=requests(IN_JSON, utf8=True, rest=True))
def test_a_request_survives_json(request: InferRequest) -> None:
    body, length = rest.encode_request(request, binary=False)
    found = rest.decode_request(
        request.model_name, request.model_version, body, header_length=length
    )
    assert_same(found, request)


@ROUND_TRIP
@given(request=requests(ALL, rest=True))
def test_a_request_survives_binary_rest(request: InferRequest) -> None:
    body, length = rest.encode_request(request, binary=True)
    found = rest.decode_request(
        request.model_name, request.model_version, body, header_length=length
    )
    assert_same(found, request)


@ROUND_TRIP
@given(response=responses(IN_JSON, utf8=True))
def test_an_answer_survives_json(response: InferResponse) -> None:
    body, length = rest.encode_response(response, frozenset())
    assert_same(rest.decode_response(body, header_length=length), response)


@ROUND_TRIP
@given(response=responses(IN_JSON, utf8=True))
def test_an_answer_survives_with_some_outputs_in_binary(response: InferResponse) -> None:
    binary = frozenset(tensor.name for tensor in response.outputs[::2])
    body, length = rest.encode_response(response, binary)
    assert_same(rest.decode_response(body, header_length=length), response)


@ROUND_TRIP
@given(request=requests(ALL))
def test_a_request_survives_raw_grpc(request: InferRequest) -> None:
    wire = grpc.encode_request(request, raw=True).SerializeToString()
    assert_same(grpc.decode_request(ModelInferRequest.FromString(wire)), request)


@ROUND_TRIP
@given(request=requests(TYPED))
def test_a_request_survives_typed_grpc(request: InferRequest) -> None:
    wire = grpc.encode_request(request, raw=False).SerializeToString()
    assert_same(grpc.decode_request(ModelInferRequest.FromString(wire)), request)


@ROUND_TRIP
@given(response=responses(ALL))
def test_an_answer_survives_raw_grpc(response: InferResponse) -> None:
    wire = grpc.encode_response(response, raw=True).SerializeToString()
    assert_same(grpc.decode_response(ModelInferResponse.FromString(wire)), response)


@ROUND_TRIP
@given(response=responses(TYPED))
def test_an_answer_survives_typed_grpc(response: InferResponse) -> None:
    wire = grpc.encode_response(response, raw=False).SerializeToString()
    assert_same(grpc.decode_response(ModelInferResponse.FromString(wire)), response)


def through_rest(tensor: Tensor, binary: frozenset[str]) -> np.ndarray:
    body, length = rest.encode_response(InferResponse("m", "", (tensor,)), binary)
    return rest.decode_response(body, header_length=length).outputs[0].array


def through_grpc(tensor: Tensor, raw: bool) -> np.ndarray:
    message = grpc.encode_response(InferResponse("m", "", (tensor,)), raw)
    return grpc.decode_response(message).outputs[0].array


PLANES = pytest.mark.parametrize(
    "through",
    [
        partial(through_rest, binary=frozenset()),
        partial(through_rest, binary=frozenset("y")),
        partial(through_grpc, raw=True),
        partial(through_grpc, raw=False),
    ],
    ids=["json", "binary", "raw", "typed"],
)


@PLANES
def test_an_array_of_any_memory_layout_is_written_row_major(
    through: Callable[[Tensor], np.ndarray],
) -> None:
    array = np.arange(6, dtype=np.int32).reshape(3, 2).T
    assert through(Tensor("y", "INT32", array)).tolist() == [[0, 2, 4], [1, 3, 5]]


@PLANES
def test_a_decoded_array_is_aligned_in_memory(through: Callable[[Tensor], np.ndarray]) -> None:
    assert through(Tensor("y", "FP64", np.ones(3))).flags.aligned


def test_every_fp16_survives_json() -> None:
    array = np.arange(2**16, dtype=np.uint16).view(np.float16)
    array[np.isnan(array)] = np.nan
    found = through_rest(Tensor("y", "FP16", array), frozenset())
    assert found.tobytes() == array.tobytes()


@ROUND_TRIP
@given(bits=st.lists(st.integers(0, 2**32 - 1), min_size=1))
def test_every_finite_fp32_survives_json(bits: list[int]) -> None:
    array = np.array(bits, np.uint32).view(np.float32)
    array[~np.isfinite(array)] = -0.0
    found = through_rest(Tensor("y", "FP32", array), frozenset())
    assert found.tobytes() == array.tobytes()
