"""A message of many fields is refused before it is parsed; any other passes."""

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from ..fields import MOST_FIELDS, check_fields
from ..messages import WireError
from ..proto import InferTensorContents, ModelInferRequest
from .strategies import ROUND_TRIP

Input = ModelInferRequest.InferInputTensor
PADDING = ModelInferRequest(raw_input_contents=[bytes(2**17)]).SerializeToString()
"""Makes a message one that is looked at."""


def within(content: bytes) -> bytes:
    """An input that consists of this, as a field."""
    field = ModelInferRequest(inputs=[Input.FromString(content)])
    return field.SerializeToString()


@pytest.mark.parametrize(
    "field",
    [b"\x2a\x00", b"\x32\x00", b"\x3a\x00", b"\x22\x00", b"\x78\x01", b"\x7d\0\0\0\0", b"\x7b\x7c"],
    ids=["input", "output", "raw", "parameter", "varint", "fixed", "group"],
)
def test_more_fields_than_a_request_needs_are_refused(field: bytes) -> None:
    with pytest.raises(WireError, match="more than 4096 fields"):
        check_fields(PADDING + field * (MOST_FIELDS + 1))


def test_more_fields_than_an_input_needs_are_refused() -> None:
    parameters = b"".join(b"\x22\x08\x0a\x06%06x" % number for number in range(MOST_FIELDS + 1))
    with pytest.raises(WireError, match="an input has more than 4096 fields"):
        check_fields(PADDING + within(parameters))


def test_elements_are_no_fields() -> None:
    contents = InferTensorContents(bytes_contents=[b""] * 100_000, int_contents=[1] * 100_000)
    check_fields(ModelInferRequest(inputs=[Input(contents=contents)] * 3).SerializeToString())


@ROUND_TRIP
@given(end=st.binary(max_size=30))
def test_what_can_be_parsed_can_be_counted(end: bytes) -> None:
    check_fields(PADDING + end)
    try:
        fields = len(ModelInferRequest.FromString(end).inputs)
    except DecodeError:
        return
    assert fields < MOST_FIELDS
