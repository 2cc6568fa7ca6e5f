"""What is no message of the gRPC plane is refused, with a text that says what and where."""

import tracemalloc
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from .. import grpc
from ..datatypes import DATATYPES
from ..messages import InferRequest, InferResponse, Tensor, WireError
from ..proto import InferParameter, InferTensorContents, ModelInferRequest, ModelInferResponse

Input = ModelInferRequest.InferInputTensor
TYPED = [each for each in DATATYPES.values() if each.contents]
ELEMENTS: dict[str, Any] = {"bool_contents": True, "bytes_contents": b"a"}


def refusal(*inputs: Input, raw: Sequence[bytes] = (), **members: Any) -> str:
    """The text that refuses a request."""
    message = ModelInferRequest(model_name="m", inputs=inputs, raw_input_contents=raw, **members)
    with pytest.raises(WireError) as error:
        grpc.decode_request(message)
    return str(error.value)


def tensor(datatype: str = "FP32", shape: Sequence[int] = (1,), **contents: Any) -> Input:
    holder = InferTensorContents(**contents) if contents else None
    return Input(name="x", datatype=datatype, shape=shape, contents=holder)


def test_typed_beside_raw_contents_are_refused() -> None:
    assert "found fp32_contents beside" in refusal(tensor(fp32_contents=[1]), raw=[bytes(4)])


@pytest.mark.parametrize("count", [1, 3])
def test_raw_contents_are_one_for_each_input(count: int) -> None:
    second = Input(name="z", datatype="FP32", shape=[1])
    text = refusal(tensor(), second, raw=[bytes(4)] * count)
    assert f"found {count} raw_input_contents for 2 inputs" in text


def test_raw_contents_without_inputs_are_refused() -> None:
    assert "for 0 inputs" in refusal(raw=[b""])


@pytest.mark.parametrize("size", [0, 3, 5, 8])
def test_a_raw_size_other_than_the_tensors_is_refused(size: int) -> None:
    assert f"found {size} raw bytes, expected 4 for FP32 [1]" in refusal(
        tensor(), raw=[bytes(size)]
    )


def test_a_raw_bool_is_zero_or_one() -> None:
    assert "'x'" in refusal(tensor("BOOL"), raw=[b"\x02"])


@pytest.mark.parametrize("block", ["", "000000", "02000000 61", "ffffffff", "00000000 00"])
def test_raw_bytes_that_do_not_hold_the_elements_are_refused(block: str) -> None:
    assert "'x'" in refusal(tensor("BYTES"), raw=[bytes.fromhex(block)])


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("datatype", TYPED, ids=lambda each: each.name)
def test_typed_contents_are_as_many_as_the_shape_holds(datatype: Any, count: int) -> None:
    elements = [ELEMENTS.get(datatype.contents, 1)] * count
    text = refusal(tensor(datatype.name, [2], **{datatype.contents: elements}))
    assert f"found {count} elements, expected 2" in text


@pytest.mark.parametrize("datatype", TYPED, ids=lambda each: each.name)
def test_the_contents_of_another_datatype_are_refused(datatype: Any) -> None:
    for wrong in {str(each.contents) for each in TYPED} - {datatype.contents}:
        text = refusal(tensor(datatype.name, **{wrong: [ELEMENTS.get(wrong, 1)]}))
        assert f"found {wrong}, expected {datatype.contents}" in text


def test_the_contents_of_two_datatypes_are_refused() -> None:
    assert "int_contents and fp32_contents" in refusal(tensor(fp32_contents=[1], int_contents=[1]))


@pytest.mark.parametrize("datatype", ["FP16", "BF16"])
@pytest.mark.parametrize("contents", [{}, {"fp32_contents": [1]}, {"bytes_contents": [b"12"]}])
def test_half_precision_travels_raw_only(datatype: str, contents: dict[str, Any]) -> None:
    assert f"{datatype} has no typed contents" in refusal(tensor(datatype, **contents))


@pytest.mark.parametrize(
    ("datatype", "contents"),
    [
        ("INT8", {"int_contents": [300]}),
        ("INT8", {"int_contents": [-129]}),
        ("INT16", {"int_contents": [2**15]}),
        ("UINT8", {"uint_contents": [256]}),
        ("UINT16", {"uint_contents": [2**16]}),
    ],
)
def test_an_element_out_of_range_is_refused(datatype: str, contents: dict[str, Any]) -> None:
    assert f"out of the range of {datatype}" in refusal(tensor(datatype, **contents))


@pytest.mark.parametrize(
    "shape", [[-1], [-5, -5], [2**62, 2], [2**62, 0], [2**63 - 1] * 4, [2], [1] * 65]
)
@pytest.mark.parametrize("datatype", ["FP32", "BYTES"])
@pytest.mark.parametrize("raw", [False, True])
def test_a_shape_that_the_contents_do_not_fill_is_refused_at_no_cost(
    shape: list[int], datatype: str, raw: bool
) -> None:
    field = "bytes_contents" if datatype == "BYTES" else "fp32_contents"
    typed = {field: [ELEMENTS.get(field, 1)]}
    given = tensor(datatype, shape) if raw else tensor(datatype, shape, **typed)
    tracemalloc.start()
    try:
        text = refusal(given, raw=[bytes(5)] if raw else [])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert text.startswith("input 'x': ")
    assert peak < 1_000_000


@pytest.mark.parametrize("datatype", ["fp32", "FLOAT", ""])
def test_an_unknown_datatype_is_refused(datatype: str) -> None:
    assert f"datatype {datatype!r}" in refusal(tensor(datatype, fp32_contents=[1]))


def test_names_given_twice_are_refused() -> None:
    wanted = ModelInferRequest.InferRequestedOutputTensor(name="y")
    assert "input 'x' is given 2 times" in refusal(tensor(), tensor(), raw=[bytes(4)] * 2)
    assert "output 'y'" in refusal(outputs=[wanted, wanted])


def test_a_parameter_without_a_value_is_refused() -> None:
    assert "parameter 'p' has no value" in refusal(parameters={"p": InferParameter()})


def test_unknown_fields_are_ignored() -> None:
    wire = ModelInferRequest(model_name="m").SerializeToString() + b"\xc2\x3e\x01a"  # field 1000
    assert grpc.decode_request(ModelInferRequest.FromString(wire)).model_name == "m"


def test_an_answer_with_raw_and_typed_outputs_is_refused() -> None:
    output = ModelInferResponse.InferOutputTensor(
        name="y", datatype="FP32", shape=[1], contents=InferTensorContents(fp32_contents=[1])
    )
    with pytest.raises(WireError, match="output 'y': found fp32_contents beside raw_output"):
        grpc.decode_response(ModelInferResponse(outputs=[output], raw_output_contents=[bytes(4)]))


def test_what_typed_contents_cannot_hold_is_refused_by_name() -> None:
    half = Tensor("y", "FP16", np.ones(1, np.float16))
    with pytest.raises(WireError, match="output 'y': FP16 has no typed contents"):
        grpc.encode_response(InferResponse("m", "", (half,)), raw=False)
    with pytest.raises(WireError, match="output 'y': found an array of float16"):
        grpc.encode_response(InferResponse("m", "", (Tensor("y", "FP32", half.array),)), raw=True)


def test_a_parameter_beyond_64_bits_is_refused() -> None:
    with pytest.raises(WireError, match="parameter 'p'"):
        grpc.encode_request(InferRequest("m", (), parameters={"p": 2**64}), raw=True)
