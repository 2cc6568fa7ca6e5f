"""Tensor Data: how an array of JSON, flat or nested, becomes a tensor."""

import json
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..malformed import MISNESTED, NOT_ARRAYS, written
from ..strategies import SCALAR, request, tensor

SQUARE = tensor("x", "FP32", [2, 2], [1.0, 2.0, 3.0, 4.0])
SIZE = 16 << 20
NUMBER = "0.12345678901234, "
SIZES = st.integers(1, 4)


@requirement("OIP-REST-DATA-001")
@given(rows=SIZES, columns=SIZES)
def test_flat_and_nested_data_are_the_same_tensor(target: Target, rows: int, columns: int) -> None:
    """A client may write a matrix as it is read, or as it lies in memory."""
    matrix = np.arange(float(rows * columns)).reshape(rows, columns)
    flat, nested = (
        target.rest.infer("identity_fp32", request(tensor("x", "FP32", [rows, columns], data)))
        for data in (matrix.ravel().tolist(), matrix.tolist())
    )

    same = flat.must_succeed().array("y").tolist() == nested.must_succeed().array("y").tolist()
    assert same, f"a [{rows}, {columns}] is another tensor when its data is nested"


@requirement("OIP-REST-DATA-002", name="echoed")
def test_elements_come_back_in_row_major_order(target: Target) -> None:
    """A client reads the last index as the one that runs fastest."""
    block = np.arange(24.0).reshape(2, 3, 4)
    asked = request(tensor("x", "FP32", block.shape, block.ravel().tolist()))
    exchange = target.rest.infer("identity_fp32_rank3", asked)

    came = exchange.must_succeed().array("y")
    assert came.tolist() == block.tolist(), f"0 to 23 as [2, 3, 4] came back as {came.tolist()}"


@requirement("OIP-REST-DATA-002", name="computed")
def test_elements_are_computed_in_row_major_order(target: Target) -> None:
    """A model sees the rows that its client wrote."""
    asked = request(tensor("x", "FP32", [2, 5], [*map(float, range(1, 11))]))
    exchange = target.rest.infer("row_sum", asked)

    came = exchange.must_succeed().array("y").tolist()
    assert came == [[55.0], [130.0]], f"1 to 5 and 6 to 10 sum up to {came}, not to 55 and 130"


@requirement("OIP-REST-DATA-003")
@given(data=st.sampled_from(MISNESTED))
def test_nesting_that_is_not_the_shape_is_refused(target: Target, data: list[Any]) -> None:
    """A client that mixes up its dimensions is told so."""
    asked = request(tensor("x", "FP32", [2, 2], data))
    exchange = target.rest.infer("identity_fp32", asked, fresh=True)

    target.record(f"nested as {data} for [2, 2]", exchange.status)
    if target.claim("oip-rest", "nesting") == "counted":
        exchange.must_not_crash()
    else:
        exchange.must_be_client_error()


@requirement("OIP-REST-DATA-004")
def test_the_data_of_an_output_is_flat_or_nested(target: Target) -> None:
    """A client that reads both forms reads every server."""
    asked = request(tensor("x", "FP32", [2, 3, 4], [*map(float, range(24))]))
    exchange = target.rest.infer("identity_fp32_rank3", asked)

    data = exchange.must_succeed().output("y").get("data")
    nesting = np.array(data, dtype=object).shape
    assert nesting in ((24,), (2, 3, 4)), f"the data of a [2, 3, 4] is nested as {[*nesting]}"
    target.record("output data", "flat" if nesting == (24,) else "nested")


@requirement("OIP-REST-DATA-005", name="numbers")
@given(data=st.sampled_from(NOT_ARRAYS))
def test_data_that_is_no_array_is_refused(target: Target, data: object) -> None:
    """A client that forgets the brackets is told so."""
    exchange = target.rest.infer("identity_fp32", request({**SCALAR, "data": data}), fresh=True)

    exchange.must_be_client_error()


@requirement("OIP-REST-DATA-005", name="text")
def test_a_string_is_not_an_array_of_its_characters(target: Target) -> None:
    """A text is one element, whatever a programming language makes of it."""
    text = {**tensor("x", "BYTES", [3, 1], []), "data": "abc"}
    exchange = target.rest.infer("identity_bytes", request(text), fresh=True)

    exchange.must_be_client_error()


@requirement("OIP-REST-DATA-026")
def test_nesting_beyond_all_bounds_is_refused(target: Target) -> None:
    """No client can exhaust the server's stack with 20 kB."""
    x = target.fixture("identity_fp32").tensor("x")
    body = written(x, "FP32", [1, 1], "[" * 10_000 + "1.0" + "]" * 10_000)
    exchange = target.rest.infer("identity_fp32", body, fresh=True)

    exchange.must_be_client_error()


@requirement("OIP-REST-DATA-027")
def test_sixteen_mebibytes_are_served_or_refused_with_a_reason(target: Target) -> None:
    """A client with a large batch learns where the limit is."""
    x = target.fixture("row_sum").tensor("x")
    count = SIZE // len(NUMBER)
    body = written(x, "FP32", [1, count + 1], f"[{NUMBER * count}0.0]")
    exchange = target.rest.infer("row_sum", body, timeout=30.0, fresh=True)

    target.record("16 MiB of JSON", exchange.must_answer(200, 400, 413).status)
    if exchange.status == 200:
        assert exchange.array("y").shape == (1, 1), "the row has no sum"
        return
    assert exchange.error(), "the refusal gives no reason"
    limit = target.claim("oip-rest", "max_body_bytes", len(body))
    assert limit <= len(body), f"{len(body)} bytes are refused, {limit} are claimed"


@requirement("OIP-REST-DATA-028")
@given(spelling=st.sampled_from(["white space", "member order", "escapes"]))
def test_the_spelling_of_json_does_not_matter(target: Target, spelling: str) -> None:
    """Whichever JSON library a client has, it gets the same answer."""
    x = target.fixture("identity_fp32").tensor("x")
    body = _spelled(spelling, {**SQUARE, "name": x})
    usual = target.rest.infer("identity_fp32", request(SQUARE)).must_succeed()
    exchange = target.rest.infer("identity_fp32", body)

    came = exchange.must_succeed().array("y").tolist()
    assert came == usual.array("y").tolist(), f"another {spelling} gives another answer: {came}"


def _spelled(spelling: str, x: dict[str, Any]) -> bytes:
    if spelling == "white space":
        return json.dumps({"inputs": [x]}, indent="\t \r\n", separators=(" ,", " : ")).encode()
    if spelling == "member order":
        return json.dumps({"inputs": [dict(reversed(x.items()))], "id": "1"}).encode()
    members = (f"{_escaped(key)}: {_value(value)}" for key, value in x.items())
    return f'{{"inputs": [{{{", ".join(members)}}}]}}'.encode()


def _value(value: object) -> str:
    return _escaped(value) if isinstance(value, str) else json.dumps(value)


def _escaped(text: str) -> str:
    """A JSON string in which no character stands for itself."""
    units = text.encode("utf-16-be").hex(" ", 2).split()
    return '"' + "".join(f"\\u{unit}" for unit in units) + '"'
