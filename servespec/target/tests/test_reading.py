"""Tensors in answers: exact where they are right, one plain sentence where they are not."""

import json
from typing import Any

import numpy as np
import pytest

from ..exchange import Exchange, Request
from ..outcomes import Nonconformance


def answered(body: bytes, *headers: tuple[str, str]) -> Exchange:
    return Exchange(Request("POST", "http://t/infer"), 200, headers, body)


def with_output(**members: Any) -> Exchange:
    return answered(json.dumps({"outputs": [{"name": "y", **members}]}).encode())


@pytest.mark.parametrize("data", [[1, 2, 3, 2**64 - 1], [[1, 2], [3, 2**64 - 1]]])
def test_flat_and_nested_data_are_the_same_tensor(data: list[Any]) -> None:
    array = with_output(datatype="UINT64", shape=[2, 2], data=data).array("y")
    assert array.tolist() == [[1, 2], [3, 2**64 - 1]]
    assert array.dtype == np.uint64


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        (
            {"datatype": "FP32", "shape": [2, 2], "data": [1, 2, 3]},
            r"output y: found 3 elements, expected 4 for shape \[2, 2\]",
        ),
        ({"datatype": "fp32", "shape": [1], "data": [1]}, "datatype 'fp32', expected"),
        ({"datatype": "FP32", "shape": [True], "data": [1]}, "shape is .True."),
        ({"datatype": "FP32", "shape": [0, 2**70], "data": []}, "expected dimensions from 0"),
        ({"datatype": "FP32", "shape": [1]}, "no list of data"),
        ({"datatype": "INT8", "shape": [1], "data": [128]}, "no INT8"),
        ({"datatype": "INT8", "shape": [1], "data": [1.0]}, "1.0 in JSON is no INT8"),
        ({"datatype": "FP64", "shape": [1], "data": [10**400]}, "no FP64"),
        ({"datatype": "BOOL", "shape": [1], "data": [1]}, "1 in JSON is no BOOL"),
        ({"datatype": "BYTES", "shape": [1], "data": [1]}, "1 in JSON is no BYTES"),
    ],
)
def test_a_tensor_that_does_not_add_up_is_named(members: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Nonconformance, match=sentence):
        with_output(**members).array("y")


def test_a_number_beyond_fp32_is_infinity() -> None:
    array = with_output(datatype="FP32", shape=[2], data=[1e39, "-Infinity"]).array("y")
    assert array.tolist() == [np.inf, -np.inf]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'{"outputs": [NaN]}', "not JSON: NaN is no JSON number"),
        (b"\xff", "not UTF-8"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "no member 'outputs'"),
        (b'{"outputs": {}}', "outputs is not a list"),
        (b'{"outputs": [{"name": "z"}]}', "no output y"),
    ],
)
def test_an_answer_that_is_no_inference_response_is_named(body: bytes, sentence: str) -> None:
    with pytest.raises(Nonconformance, match=sentence):
        answered(body).output("y")


def binary(raw: bytes, *sizes: int, datatype: str = "INT16", header: str = "") -> Exchange:
    entries = [
        {"name": name, "datatype": datatype, "shape": [2], "parameters": {"binary_data_size": size}}
        for name, size in zip("xy", sizes, strict=True)
    ]
    text = json.dumps({"outputs": entries}).encode()
    length = header or str(len(text))
    return answered(text + raw, ("inference-header-content-length", length))


def test_binary_outputs_follow_one_another() -> None:
    exchange = binary(b"\1\0\2\0\3\0\xff\xff", 4, 4)
    assert exchange.array("x").tolist() == [1, 2]
    assert exchange.array("y").tolist() == [3, -1]


def test_binary_texts_carry_their_lengths() -> None:
    exchange = binary(b"\1\0\0\0a\0\0\0\0", 0, 9, datatype="BYTES")
    assert exchange.array("y").tolist() == [b"a", b""]


@pytest.mark.parametrize(
    ("exchange", "sentence"),
    [
        (binary(b"\1\0\2\0\3\0", 4, 4), "announces 4 bytes of binary data but 2 came"),
        (binary(b"\1\0\2\0\3\0", 4, 2), r"found 2 raw bytes, expected 4 for INT16 \[2\]"),
        (binary(b"", 0, -1), "binary_data_size is -1"),
        (binary(b"", 0, 4, header="99999"), "Inference-Header-Content-Length is '99999'"),
        (binary(b"\1\0\0", 0, 3, datatype="BYTES"), "found 3 raw bytes, expected at least 8"),
        (
            binary(b"\5\0\0\0abcd", 0, 8, datatype="BYTES"),
            "element 0 of 2 is declared 5 bytes long",
        ),
    ],
)
def test_binary_data_that_does_not_add_up_is_named(exchange: Exchange, sentence: str) -> None:
    with pytest.raises(Nonconformance, match=sentence):
        exchange.array("y")


def test_an_unexpected_status_says_what_came_and_what_was_expected() -> None:
    exchange = Exchange(Request("GET", "http://t/v2"), 503, body=b"busy")
    with pytest.raises(
        Nonconformance, match="GET http://t/v2: answered 503 'busy', not 200 or 404"
    ):
        exchange.must_answer(200, 404)
