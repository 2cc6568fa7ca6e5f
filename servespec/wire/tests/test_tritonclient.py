"""A second opinion: another implementation of the protocol reads what we write, and we read it.

It cannot read typed gRPC outputs, so these have no second opinion.
"""

from typing import Any

import ml_dtypes
import numpy as np
import pytest
import tritonclient.grpc as their_grpc
import tritonclient.http as their_http
from tritonclient.grpc import service_pb2
from tritonclient.grpc._utils import _get_inference_request

from .. import grpc, rest
from ..datatypes import DATATYPES
from ..messages import InferRequest, InferResponse, RequestedOutput, Tensor
from ..proto import ModelInferRequest
from .same import assert_same

EVERY_DATATYPE = pytest.mark.parametrize("datatype", DATATYPES)
EVERY_DATATYPE_IN_JSON = pytest.mark.parametrize(
    "datatype", [name for name in DATATYPES if name != "BF16"]
)


def sample(datatype: str, name: str = "x") -> Tensor:
    """Six elements that differ, the extremes of an integer among them."""
    if datatype == "BYTES":
        array = np.array([b"a", b"", "é".encode(), "😀".encode(), b"a\0b", b"long" * 50], object)
    elif datatype.startswith(("INT", "UINT")):
        limits = np.iinfo(datatype.lower())
        array = np.array([limits.min, limits.max, 0, 1, 2, 3], limits.dtype)
    else:
        array = np.array([1, 0, 2, 3, 0, 5]).astype(DATATYPES[datatype].dtype)
    return Tensor(name, datatype, array.reshape(2, 3))


def as_theirs(tensor: Tensor) -> np.ndarray:
    """Their library wants bfloat16 as such, ours holds its bits."""
    return tensor.array.view(ml_dtypes.bfloat16) if tensor.datatype == "BF16" else tensor.array


def as_ours(found: Any, datatype: str) -> np.ndarray:
    """In JSON they read BYTES as text."""
    array = np.asarray(found)
    if datatype == "BYTES":
        flat = [each.encode() if isinstance(each, str) else each for each in array.ravel()]
        return np.array(flat, object).reshape(array.shape)
    return array.view(np.uint16) if datatype == "BF16" else array


def their_rest_request(tensor: Tensor, *, binary: bool) -> tuple[bytes, int | None]:
    given = their_http.InferInput(tensor.name, list(tensor.array.shape), tensor.datatype)
    given.set_data_from_numpy(as_theirs(tensor), binary_data=binary)
    wanted = their_http.InferRequestedOutput("y", binary_data=binary)
    body, length = their_http.InferenceServerClient.generate_request_body(
        [given], outputs=[wanted], request_id="42", parameters={"p": 1}
    )
    return body, length


def request(tensor: Tensor, binary: bool | None) -> InferRequest:
    output = RequestedOutput("y", binary)
    return InferRequest("m", (tensor,), "1", "42", (output,), {"p": 1})


@EVERY_DATATYPE_IN_JSON
def test_we_read_their_json(datatype: str) -> None:
    tensor = sample(datatype)
    body, length = their_rest_request(tensor, binary=False)
    assert_same(
        rest.decode_request("m", "1", body, header_length=length), request(tensor, binary=False)
    )


@EVERY_DATATYPE
def test_we_read_their_binary_rest(datatype: str) -> None:
    tensor = sample(datatype)
    body, length = their_rest_request(tensor, binary=True)
    assert_same(
        rest.decode_request("m", "1", body, header_length=length), request(tensor, binary=True)
    )


@EVERY_DATATYPE
@pytest.mark.parametrize("binary", [False, True])
def test_they_read_our_rest(datatype: str, binary: bool) -> None:
    tensors = sample("INT8", "before"), sample(datatype, "y"), sample("BYTES", "after")
    names = [tensor.name for tensor in tensors if binary or tensor.datatype == "BF16"]
    body, length = rest.encode_response(InferResponse("m", "1", tensors), frozenset(names))
    theirs = their_http.InferenceServerClient.parse_response_body(body, header_length=length)
    for tensor in tensors:
        found = as_ours(theirs.as_numpy(tensor.name), tensor.datatype)
        np.testing.assert_array_equal(found, tensor.array, strict=True)


def their_grpc_request(tensor: Tensor) -> service_pb2.ModelInferRequest:
    given = their_grpc.InferInput(tensor.name, list(tensor.array.shape), tensor.datatype)
    given.set_data_from_numpy(as_theirs(tensor))
    wanted = their_grpc.InferRequestedOutput("y")
    options = {"sequence_id": 0, "sequence_start": False, "sequence_end": False, "priority": 0}
    return _get_inference_request(
        model_name="m",
        inputs=[given],
        model_version="1",
        request_id="42",
        outputs=[wanted],
        timeout=None,
        parameters={"p": 1},
        **options,
    )


@EVERY_DATATYPE
def test_our_grpc_request_is_theirs_byte_for_byte(datatype: str) -> None:
    tensor = sample(datatype)
    ours = grpc.encode_request(request(tensor, binary=None), raw=True)
    theirs = their_grpc_request(tensor)
    assert ours.SerializeToString(deterministic=True) == theirs.SerializeToString(
        deterministic=True
    )


@EVERY_DATATYPE
def test_we_read_their_grpc(datatype: str) -> None:
    tensor = sample(datatype)
    wire = their_grpc_request(tensor).SerializeToString()
    found = grpc.decode_request(ModelInferRequest.FromString(wire))
    assert_same(found, request(tensor, binary=None))


@EVERY_DATATYPE
def test_they_read_our_grpc(datatype: str) -> None:
    tensors = sample("BYTES", "before"), sample(datatype, "y")
    wire = grpc.encode_response(InferResponse("m", "1", tensors), raw=True).SerializeToString()
    theirs = their_grpc.InferResult(service_pb2.ModelInferResponse.FromString(wire))
    for tensor in tensors:
        found = as_ours(theirs.as_numpy(tensor.name), tensor.datatype)
        np.testing.assert_array_equal(found, tensor.array, strict=True)
