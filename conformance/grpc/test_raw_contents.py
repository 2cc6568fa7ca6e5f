"""raw_input_contents: one entry an input, its bytes and nothing else."""

from typing import Any

import numpy as np
import pytest
from grpc import StatusCode
from hypothesis import given
from hypothesis import strategies as st

from servespec.target.exchange import GrpcExchange
from servespec.target.outcomes import NotApplicable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from .messages import Input, bare, bits, contents, fp32, raw, sample

TWO, THREE = bytes.fromhex("00000040"), bytes.fromhex("00004040")  # 2.0 and 3.0
A, B = bare("a", "FP32", [1, 1]), bare("b", "FP32", [1, 1])
SIZES = st.integers(1, 4)


@requirement("OIP-GRPC-INF-002")
def test_raw_entries_are_in_the_order_of_the_inputs(target: Target) -> None:
    """A client that sends several inputs as bytes has each of them read as the one it is."""
    exchange = target.grpc.infer("add_sub", inputs=[B, A], raw=[THREE, TWO])

    came = exchange.array("difference").item()
    assert came == -1.0, f"2 - 3 came back as {came}"


@requirement("OIP-GRPC-INF-003")
@pytest.mark.parametrize("typed", ["a", "both"])
def test_mixed_forms_are_refused(target: Target, typed: str) -> None:
    """A client that sends values twice learns that one of them would be dropped."""
    inputs = [fp32("a", 2.0), fp32("b", 3.0) if typed == "both" else B]
    exchange = target.grpc.infer("add_sub", inputs=inputs, raw=[TWO, THREE])

    exchange.must_be(StatusCode.INVALID_ARGUMENT)


@requirement("OIP-GRPC-INF-004")
@pytest.mark.parametrize("entries", [1, 3])
def test_a_raw_entry_too_few_or_too_many_is_refused(target: Target, entries: int) -> None:
    """A client that forgot an entry does not get another input's values computed."""
    exchange = target.grpc.infer("add_sub", inputs=[A, B], raw=[TWO] * entries)

    exchange.must_be_refused()


@requirement("OIP-GRPC-INF-005")
@given(rows=SIZES, columns=SIZES, data=st.data())
def test_raw_bytes_of_another_size_are_refused(
    target: Target, rows: int, columns: int, data: st.DataObject
) -> None:
    """A client whose bytes were cut, or of another datatype, does not get numbers for them."""
    size = 4 * rows * columns
    sent = data.draw(st.integers(0, 2 * size).filter(lambda other: other != size))
    x = bare("x", "FP32", [rows, columns])
    exchange = target.grpc.infer("identity_fp32", inputs=[x], raw=[bytes(sent)])

    exchange.must_be(StatusCode.INVALID_ARGUMENT)


@requirement("OIP-GRPC-INF-006")
@given(rows=st.integers(2, 4), columns=st.integers(2, 4))
def test_raw_data_is_row_major(target: Target, rows: int, columns: int) -> None:
    """A client's rows are rows to the model."""
    table = np.arange(rows * columns, dtype="<f4").reshape(rows, columns)
    x = bare("x", "FP32", table.shape)
    exchange = target.grpc.infer("row_sum", inputs=[x], raw=[raw(table)])

    expected = (table @ np.arange(1, columns + 1)).tolist()
    came = exchange.array("y").ravel().tolist()
    assert came == expected, f"the sums of the rows are {expected}, {came} came"


@requirement("OIP-GRPC-INF-007")
def test_raw_data_is_little_endian(target: Target) -> None:
    """A client on another kind of machine sends the same bytes."""
    x = bare("x", "FP32", [1, 2])
    exchange = target.grpc.infer("row_sum", inputs=[x], raw=[TWO + THREE])

    came = exchange.array("y").item()
    assert came == 8.0, f"1 * 2 + 2 * 3 came back as {came}"


@requirement("OIP-GRPC-INF-008")
@pytest.mark.parametrize("datatype", ["FP16", "BF16"])
def test_half_floats_travel_raw_only(target: Target, datatype: str) -> None:
    """A client has one form for half floats, and another one is never guessed at."""
    if datatype == "BF16" and not target.has_fixture("identity_bf16"):
        raise NotApplicable("BF16 is not served")
    sent = sample(datatype)
    fixture, x = f"identity_{datatype.lower()}", bare("x", datatype, sent.shape)
    exchange = target.grpc.infer(fixture, inputs=[x], raw=[raw(sent)])
    forms: dict[str, list[Any]] = {
        "bytes_contents": [raw(sent)],
        "fp32_contents": [1.0, 2.0, 3.0, 4.0],
    }
    typed = [
        Input(name="x", datatype=datatype, shape=x.shape, contents=contents(field, values))
        for field, values in forms.items()
    ]
    refused = [target.grpc.infer(fixture, inputs=[x]) for x in typed]

    came = exchange.array("y")
    assert bits(came) == bits(sent), f"{datatype} values came back as others"
    for exchange in refused:
        exchange.must_be_refused()


def _bytes(target: Target, entry: bytes, elements: int) -> GrpcExchange:
    x = bare("x", "BYTES", [elements, 1])
    return target.grpc.infer("identity_bytes", inputs=[x], raw=[entry])


@requirement("OIP-GRPC-INF-015", name="read")
def test_raw_bytes_elements_have_their_lengths(target: Target) -> None:
    """A client may send texts of any length, none at all among them."""
    long = b"b" * (1 << 20)
    entry = b"".join([bytes.fromhex("00000000 01000000"), b"a", bytes.fromhex("00001000"), long])
    exchange = _bytes(target, entry, 3)

    came = exchange.array("y").ravel().tolist()
    assert came == [b"", b"a", long], f"3 elements came back as {[each[:9] for each in came]}"


BROKEN = {
    "an element cut short": bytes.fromhex("05000000 616263"),
    "a length cut short": bytes.fromhex("0500"),
    "bytes after the last element": bytes.fromhex("01000000 61 62"),
    "an element too few": b"",
}


@requirement("OIP-GRPC-INF-015", name="broken")
@pytest.mark.parametrize("case", BROKEN)
def test_raw_bytes_that_do_not_add_up_are_refused(target: Target, case: str) -> None:
    """A client whose bytes were cut does not get an answer to half a text."""
    exchange = _bytes(target, BROKEN[case], 1)

    exchange.must_be_refused()
