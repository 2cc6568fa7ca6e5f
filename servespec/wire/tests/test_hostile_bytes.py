"""Whatever the bytes: a message, or a `WireError`. Nothing else ever comes out of a codec."""

import json
from contextlib import suppress
from typing import Any

from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from .. import grpc, rest
from ..datatypes import DATATYPES
from ..messages import WireError
from ..proto import InferTensorContents, ModelInferRequest
from .strategies import ROUND_TRIP

BODY = (
    b'{"id":"42","parameters":{"binary_data_output":true,"p":1},"inputs":'
    b'[{"name":"a","shape":[1,2],"datatype":"FP32","data":[[1.5,"NaN"]]},'
    b'{"name":"b","shape":[2],"datatype":"BYTES","data":["\xc3\xa9",""]},'
    b'{"name":"c","shape":[2],"datatype":"UINT8","parameters":{"binary_data_size":2}}],'
    b'"outputs":[{"name":"y","parameters":{"binary_data":true}}]}'
)
BLOCK = b"\x01\x02"

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["FP32", "BYTES", "BOOL", "UINT64", "NaN", "binary_data_size", 2**62, 0, 2])
)
MEMBERS = (
    *("id", "parameters", "inputs", "outputs", "name", "shape", "datatype", "data"),
    *("binary_data", "binary_data_size", "binary_data_output"),
)
documents = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=5)
    ),
    max_leaves=15,
)


@st.composite
def mutated(draw: st.DrawFn, original: bytes) -> bytes:
    """Bytes that were cut, or overwritten, in a few places."""
    body = bytearray(original)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(body)))
        end = start + draw(st.integers(0, 6))
        body[start:end] = draw(st.binary(max_size=4) | st.sampled_from([b"[", b"null", b'"', b"9"]))
    return bytes(body)


@ROUND_TRIP
@given(body=mutated(BODY + BLOCK), length=st.just(len(BODY)) | st.none() | st.integers(-1, 400))
def test_a_damaged_rest_body_is_read_or_refused(body: bytes, length: int | None) -> None:
    with suppress(WireError):
        rest.decode_request("m", "", body, header_length=length)
    with suppress(WireError):
        rest.decode_response(body, header_length=length)


@ROUND_TRIP
@given(document=documents, datatype=st.sampled_from(sorted(DATATYPES)), place=st.integers(0, 7))
def test_an_unexpected_value_anywhere_is_read_or_refused(
    document: Any, datatype: str, place: int
) -> None:
    tensor: dict[str, Any] = {"name": "x", "shape": [1], "datatype": datatype, "data": [1]}
    request: dict[str, Any] = {"inputs": [tensor], "outputs": [{"name": "y"}]}
    where, member = [
        (tensor, "name"),
        (tensor, "shape"),
        (tensor, "datatype"),
        (tensor, "data"),
        (tensor, "parameters"),
        (request, "inputs"),
        (request, "outputs"),
        (request, "parameters"),
    ][place]
    where[member] = document
    with suppress(WireError):
        rest.decode_request("m", "", json.dumps(request).encode(), header_length=None)


CONTENTS: list[tuple[str, str, dict[str, Any]]] = [
    ("a", "INT8", {"int_contents": [1, -2]}),
    ("b", "BYTES", {"bytes_contents": [b"x", b""]}),
]
MESSAGE = ModelInferRequest(
    model_name="m",
    inputs=[
        ModelInferRequest.InferInputTensor(
            name=name, datatype=datatype, shape=[1, 2], contents=InferTensorContents(**contents)
        )
        for name, datatype, contents in CONTENTS
    ],
    outputs=[ModelInferRequest.InferRequestedOutputTensor(name="y")],
).SerializeToString()


@ROUND_TRIP
@given(wire=mutated(MESSAGE))
def test_a_damaged_grpc_message_is_read_or_refused(wire: bytes) -> None:
    with suppress(DecodeError, WireError):
        grpc.decode_request(ModelInferRequest.FromString(wire))


@ROUND_TRIP
@given(
    datatype=st.sampled_from(sorted(DATATYPES)),
    shape=st.lists(st.integers(-2, 4) | st.integers(-(2**63), 2**63 - 1), max_size=4),
    block=st.binary(max_size=40),
)
def test_any_raw_contents_for_any_shape_are_read_or_refused(
    datatype: str, shape: list[int], block: bytes
) -> None:
    tensor = ModelInferRequest.InferInputTensor(name="x", datatype=datatype, shape=shape)
    with suppress(WireError):
        grpc.decode_request(ModelInferRequest(inputs=[tensor], raw_input_contents=[block]))
