"""Binary tensor data in answers: which outputs are bytes, and where in the body they are."""

from typing import Any

import numpy as np

from servespec.target.exchange import Exchange
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement
from servespec.wire.datatypes import DATATYPES

from ..strategies import JsonObject, request, tensor
from .bodies import LENGTH, OCTETS, block, is_binary

BINARY = {"parameters": {"binary_data": True}}
PLAIN = {"parameters": {"binary_data": False}}
ALL_BINARY = {"binary_data_output": True}
BOTH = ("sum", "difference")


def add_sub(target: Target, **more: Any) -> Exchange:
    """Ask for [10, 20] + [1, 2] and [10, 20] - [1, 2], in JSON."""
    a, b = (tensor(name, "FP32", [2, 1], data) for name, data in (("a", [10, 20]), ("b", [1, 2])))
    return target.rest.infer("add_sub", request(a, b, **more))


def echo(target: Target, datatype: str, shape: list[int], data: list[Any]) -> bytes:
    """The bytes in which an identity model's output comes for JSON data."""
    outputs = [{"name": "y", **BINARY}]
    asked = request(tensor("x", datatype, shape, data), outputs=outputs)
    return block(target.rest.infer(f"identity_{datatype.lower()}", asked))


def outputs(sums: JsonObject, differences: JsonObject) -> list[JsonObject]:
    """A request for both outputs, each with its parameters."""
    return [{"name": "sum", **sums}, {"name": "difference", **differences}]


def binary(exchange: Exchange) -> set[str]:
    """The names of the outputs that came as bytes."""
    return {name for name in BOTH if is_binary(exchange, name)}


@requirement("EXT-BIN-002")
def test_the_lengths_of_an_answer_add_up(target: Target) -> None:
    """A client cuts the answer by its lengths, and nothing is missing or left."""
    exchange = add_sub(target, outputs=outputs(BINARY, BINARY))

    tail = len(block(exchange))
    sizes = [exchange.output(name).get("parameters", {}).get("binary_data_size") for name in BOTH]
    assert sizes == [8, 8], f"two FP32 outputs of two elements have the sizes {sizes}"
    assert tail == sum(sizes), f"{tail} bytes follow the JSON of {LENGTH}, {sum(sizes)} are told"


@requirement("EXT-BIN-003", name="answer")
def test_blocks_come_in_the_order_of_the_outputs(target: Target) -> None:
    """A client that asks for two outputs does not take one for the other."""
    exchange = add_sub(target, outputs=outputs(BINARY, BINARY)[::-1])

    came = {name: exchange.must_succeed().array(name).ravel().tolist() for name in BOTH}
    expected = {"sum": [11.0, 22.0], "difference": [9.0, 18.0]}
    assert came == expected, f"of [10, 20] and [1, 2] came {came}"


@requirement("EXT-BIN-005", name="answer")
def test_binary_outputs_are_little_endian_and_row_major(target: Target) -> None:
    """A client takes the bytes of an answer for the memory of an array."""
    for datatype in ("INT8", "INT32"):
        values = np.array([[1, 2, 3], [4, 5, -6]], DATATYPES[datatype].dtype)
        came = echo(target, datatype, [2, 3], values.ravel().tolist())

        expected = values.tobytes()
        assert came == expected, f"{datatype}: {expected.hex(' ')} is expected, {came.hex(' ')}"


@requirement("EXT-BIN-006", name="answer")
def test_a_binary_bool_is_the_byte_one_or_zero(target: Target) -> None:
    """A client compares flags without a mask."""
    came = echo(target, "BOOL", [1, 3], [True, False, False])

    assert came == b"\1\0\0", f"true, false, false came as {came.hex(' ')}"


@requirement("EXT-BIN-007", name="answer")
def test_binary_bytes_come_with_their_lengths(target: Target) -> None:
    """A client finds where each text begins, empty ones and NUL among them."""
    came = echo(target, "BYTES", [3, 1], ["", "ab", "a\0b"])

    expected = b"\0\0\0\0" + b"\x02\0\0\0ab" + b"\x03\0\0\0a\0b"
    assert came == expected, f"'', 'ab' and 'a', NUL, 'b' came as {came.hex(' ')}"


@requirement("EXT-BIN-008")
def test_each_output_is_binary_or_json_as_asked(target: Target) -> None:
    """A client takes the large output as bytes and reads the small one in the JSON."""
    asked = {"sum": outputs(BINARY, {}), "difference": outputs(PLAIN, BINARY)}
    for name, wanted in asked.items():
        came = binary(add_sub(target, outputs=wanted))

        assert came == {name}, f"binary_data is set on {name}, binary came {sorted(came)}"
    came = binary(add_sub(target, outputs=outputs({}, PLAIN)))
    assert not came, f"binary_data is set on no output, binary came {sorted(came)}"


@requirement("EXT-BIN-009")
def test_one_parameter_makes_all_outputs_binary(target: Target) -> None:
    """A client that wants bytes says so once, and excepts what it wants to read."""
    named = outputs({}, {})
    cases: dict[str, tuple[set[str], JsonObject]] = {
        "and no outputs": ({*BOTH}, {}),
        "and outputs by name": ({*BOTH}, {"outputs": named}),
        "and one output with binary_data false": ({"sum"}, {"outputs": outputs({}, PLAIN)}),
    }
    for case, (expected, more) in cases.items():
        came = binary(add_sub(target, parameters=ALL_BINARY, **more))
        assert came == expected, f"with binary_data_output {case}, binary came {sorted(came)}"
    mixed = outputs(BINARY, {})
    came = binary(add_sub(target, parameters={"binary_data_output": False}, outputs=mixed))
    assert came == {"sum"}, f"binary_data is not heard beside binary_data_output: {sorted(came)}"


@requirement("EXT-BIN-010")
def test_a_binary_answer_says_that_it_is_bytes(target: Target) -> None:
    """A gateway does not take the answer for JSON."""
    exchange = add_sub(target, outputs=outputs(BINARY, BINARY))

    block(exchange)
    said = exchange.header("Content-Type") or "nothing"
    kind = said.partition(";")[0].strip().lower()
    assert kind == OCTETS, f"a binary answer is {said}"
