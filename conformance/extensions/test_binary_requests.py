"""Binary tensor data in requests: what is read, and what is refused."""

import gzip
import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from servespec.target.exchange import Exchange
from servespec.target.outcomes import NotApplicable, Untestable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement
from servespec.wire.datatypes import DATATYPES

from ..strategies import SCALAR, binary_request, request, tensor
from .bodies import LENGTH, OCTETS, ask, block, is_binary, marked

EXTENSION = "binary_tensor_data"
BINARY_Y = [{"name": "y", "parameters": {"binary_data": True}}]
PAIR = np.array([1.0, 2.0], "<f4").tobytes()
COLUMN = (2, 1)
"""The shape of two elements, which FP32 writes in eight bytes."""


def two_elements(datatype: str) -> bytes:
    """Two unlike elements of a datatype in raw form."""
    if datatype == "BYTES":
        return b"\x02\0\0\0ab\x01\0\0\0c"
    size = DATATYPES[datatype].size or 1
    return b"\1\0" if datatype == "BOOL" else bytes(range(64, 64 + 2 * size))


@requirement("EXT-BIN-001")
def test_bytes_come_back_as_they_were_sent(target: Target) -> None:
    """A client moves tensors of every datatype without writing numbers as text."""
    hosted = [name for name in DATATYPES if target.has_fixture(f"identity_{name.lower()}")]
    if not hosted:
        raise Untestable("the target hosts no identity model; see `servespec fixtures`")
    for datatype in hosted:
        raw = two_elements(datatype)
        x = marked("x", datatype, COLUMN, len(raw))
        exchange = ask(target, f"identity_{datatype.lower()}", [x], raw, outputs=BINARY_Y)

        assert is_binary(exchange, "y"), f"{datatype}: the output is not binary"
        came = block(exchange)
        assert came == raw, f"{datatype}: the bytes {raw.hex()} came back as {came.hex()}"


@requirement("EXT-BIN-003", name="request")
def test_blocks_are_read_in_the_order_of_the_inputs(target: Target) -> None:
    """A client may list its inputs in any order, and none is taken for another."""
    b, a = (marked(name, "FP32", COLUMN, 8) for name in ("b", "a"))
    exchange = ask(target, "add_sub", [b, a], PAIR + np.array([10, 20], "<f4").tobytes())

    came = exchange.must_succeed().array("difference").ravel().tolist()
    assert came == [9.0, 18.0], f"[10, 20] - [1, 2] is {came}"


@requirement("EXT-BIN-004")
def test_binary_and_json_inputs_mix(target: Target) -> None:
    """A client sends the image as bytes and the threshold as a number."""
    written = {name: tensor(name, "FP32", COLUMN, [1.0, 2.0]) for name in "ab"}
    for binary, plain in ("ab", "ba"):
        entries = {binary: marked(binary, "FP32", COLUMN, 8), plain: written[plain]}
        exchange = ask(target, "add_sub", [entries["a"], entries["b"]], PAIR)

        came = exchange.must_succeed().array("sum").ravel().tolist()
        assert came == [2.0, 4.0], f"with {binary} binary, [1, 2] + [1, 2] is {came}"


@requirement("EXT-BIN-005", name="request")
def test_binary_inputs_are_little_endian_and_row_major(target: Target) -> None:
    """A client sends an array's memory as it is."""
    for datatype in ("INT8", "INT32"):
        values = np.array([[1, 2, 3], [4, 5, -6]], DATATYPES[datatype].dtype)
        x = marked("x", datatype, (2, 3), values.nbytes)
        exchange = ask(target, f"identity_{datatype.lower()}", [x], values.tobytes())

        came = exchange.must_succeed().array("y").tolist()
        assert came == values.tolist(), f"{datatype} {values.tolist()} was read as {came}"


@requirement("EXT-BIN-006", name="request")
def test_a_binary_bool_is_one_byte(target: Target) -> None:
    """A client sends a mask at a byte a flag."""
    exchange = ask(target, "identity_bool", [marked("x", "BOOL", (1, 3), 3)], b"\1\0\0")

    came = exchange.must_succeed().array("y").tolist()
    assert came == [[True, False, False]], f"the bytes 01 00 00 were read as {came}"


@requirement("EXT-BIN-007", name="request")
def test_binary_bytes_carry_their_lengths(target: Target) -> None:
    """A client sends texts of different lengths, empty ones and NUL among them."""
    raw = b"\0\0\0\0" + b"\x02\0\0\0ab" + b"\x03\0\0\0a\0b"
    x = marked("x", "BYTES", (3, 1), len(raw))
    exchange = ask(target, "identity_bytes", [x], raw)

    came = exchange.must_succeed().array("y").ravel().tolist()
    assert came == [b"", b"ab", b"a\0b"], f"'', 'ab' and 'a', NUL, 'b' were read as {came}"


@requirement("EXT-BIN-007", name="octets")
def test_binary_bytes_that_are_no_text_are_not_changed(target: Target) -> None:
    """A client that sends a picture gets it back, or learns that the model takes texts only."""
    raw = b"\x02\0\0\0a\xff"
    x = marked("x", "BYTES", (1, 1), len(raw))
    exchange = ask(target, "identity_bytes", [x], raw, outputs=BINARY_Y)

    if exchange.must_not_crash().status == 200:
        came = block(exchange)
        assert came == raw, f"the bytes 61 ff came back as {came[4:].hex(' ')}"
    else:
        exchange.must_be_client_error()
    target.record("an element that is not UTF-8", exchange.status)


@requirement("EXT-BIN-011")
@given(size=st.sampled_from([16, 4, 0]))
def test_a_size_that_is_not_the_shapes_is_refused(target: Target, size: int) -> None:
    """A client that mixes up datatype or shape is told so."""
    x = marked("x", "FP32", COLUMN, size)
    exchange = ask(target, "identity_fp32", [x], bytes(size), fresh=True)

    exchange.must_be_client_error()


@requirement("EXT-BIN-012")
@given(length=st.sampled_from(["-1", "abc", "99999", "18446744073709551616"]))
def test_a_header_length_that_cannot_be_is_refused(target: Target, length: str) -> None:
    """A client that miscounts its JSON is told so."""
    exchange = ask(target, "identity_fp32", [SCALAR], b"", length=length, fresh=True)

    exchange.must_be_client_error()


@requirement("EXT-BIN-013")
def test_bytes_behind_the_last_tensor_are_refused(target: Target) -> None:
    """A client that forgets to declare a tensor is told so."""
    x = marked("x", "FP32", COLUMN, 8)
    exchange = ask(target, "identity_fp32", [x], PAIR + b"\0", fresh=True)

    exchange.must_be_client_error()


@requirement("EXT-BIN-014")
def test_too_few_bytes_are_refused_at_once(target: Target) -> None:
    """A client whose body was cut learns it without waiting."""
    x = marked("x", "FP32", COLUMN, 8)
    exchange = ask(target, "identity_fp32", [x], PAIR[:-1], fresh=True)

    exchange.must_be_client_error()


@requirement("EXT-BIN-015")
def test_data_that_is_given_twice_is_refused(target: Target) -> None:
    """A client never has to guess which of its two tensors was used."""
    both = {**marked("x", "FP32", COLUMN, 8), "data": [3.0, 4.0]}
    exchange = ask(target, "identity_fp32", [both], PAIR, fresh=True)

    exchange.must_be_client_error()


@requirement("EXT-BIN-016")
def test_a_raw_request_is_one_tensor_of_batch_one(target: Target) -> None:
    """A client without a JSON library sends a file, and receives one."""
    headers = {"Content-Type": OCTETS, LENGTH: "0"}
    exchange = target.rest.infer("identity_fp32", PAIR, headers=headers, fresh=True)
    served = exchange.must_answer_at_all().status == 200
    if not served and not target.claim("binary", "raw", default=False):
        raise NotApplicable(f"raw binary requests are answered {exchange.status}")

    assert is_binary(exchange, "y"), "the output of a raw request is not binary"
    came = exchange.array("y").tolist()
    assert came == [[1.0, 2.0]], f"one row of 1 and 2 came back as {came}"


@requirement("EXT-BIN-017")
def test_a_server_without_the_extension_refuses_bytes(target: Target) -> None:
    """A client that sends bytes to a server of JSON gets a refusal, not another answer."""
    metadata = target.rest.get("/v2").must_succeed()
    if metadata.has("extensions") and EXTENSION in str(metadata.answer("extensions")):
        raise NotApplicable(f"the metadata lists {EXTENSION}")
    x = target.fixture("identity_fp32").tensor("x")
    exchange = target.rest.infer("identity_fp32", **binary_request(x, "FP32", (1, 2), PAIR))
    if exchange.must_answer_at_all().status == 200:
        came = exchange.array("y").ravel().tolist()
        assert came == [1.0, 2.0], f"the bytes of [1, 2] are neither refused nor read: {came}"
        raise NotApplicable(f"{EXTENSION} is served, though not listed")

    exchange.must_be_client_error()


@requirement("EXT-BIN-018")
def test_a_content_coding_covers_the_whole_binary_body(target: Target) -> None:
    """A client compresses its body as a whole, whatever it holds."""
    name = target.fixture("identity_fp32").tensor("x")
    asked = json.dumps(request({**SCALAR, "name": name})).encode()
    if _compressed(target, asked, {}).must_answer_at_all().status != 200:
        raise NotApplicable("gzip bodies are not decoded")
    head = json.dumps(request(marked(name, "FP32", COLUMN, 8))).encode()
    headers = {"Content-Type": OCTETS, LENGTH: str(len(head))}
    exchange = _compressed(target, head + PAIR, headers)

    came = exchange.must_succeed().array("y").ravel().tolist()
    assert came == [1.0, 2.0], f"[1, 2] in a compressed body was read as {came}"


def _compressed(target: Target, body: bytes, headers: dict[str, str]) -> Exchange:
    return target.rest.infer(
        "identity_fp32", gzip.compress(body), headers={"Content-Encoding": "gzip", **headers}
    )
