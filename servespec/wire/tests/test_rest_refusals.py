"""What is no message of the REST plane is refused, with a text that says what and where."""

import json
import tracemalloc
from typing import Any

import numpy as np
import pytest

from .. import rest
from ..messages import InferResponse, RequestedOutput, Tensor, WireError

ENTRY: dict[str, Any] = {"name": "x", "shape": [2], "datatype": "FP32", "data": [1, 2]}


def refusal(body: bytes, header_length: int | None = None) -> str:
    """The text that refuses a request."""
    with pytest.raises(WireError) as error:
        rest.decode_request("m", "", body, header_length=header_length)
    return str(error.value)


def request(*entries: Any, **members: Any) -> bytes:
    return json.dumps({"inputs": entries, **members}).encode()


def entry(**members: Any) -> dict[str, Any]:
    """An input as it should be, but for some members; None leaves one out."""
    merged = ENTRY | members
    return {name: value for name, value in merged.items() if value is not None}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[]", b"3", b'"a"', b'{"inputs":[]}x', b'{"inputs":', b"\xff", b"{}"],
)
def test_a_body_that_is_no_request_is_refused(body: bytes) -> None:
    assert refusal(body)


def test_a_byte_order_mark_is_refused() -> None:
    assert "byte order mark" in refusal(b"\xef\xbb\xbf" + request(ENTRY))


@pytest.mark.parametrize(
    "body",
    [
        b'{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","data":["\xc3("]}]}',
        b'{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","data":["\\ud800"]}]}',
        b'{"inputs":[],"ignored":"\xc3("}',
        b'{"inputs":[],"id":"\\udc00"}',
    ],
)
def test_what_is_no_unicode_is_refused(body: bytes) -> None:
    assert refusal(body)


@pytest.mark.parametrize("depth", [100, 10_000, 1_000_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    data = b"[" * depth + b"1" + b"]" * depth
    where = b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":%s}]}'
    assert "nested" in refusal(where % data)


@pytest.mark.parametrize(
    "data",
    [b"[1]", b"[1e999]", b"[[]]", b"[" * 950 + b"]" * 950, b"[" * 10**5 + b"]" * 10**5],
    ids=["number", "out-of-range", "nested", "deep", "too-deep"],
)
def test_data_of_a_tensor_without_elements_are_refused(data: bytes) -> None:
    where = b'{"inputs":[{"name":"x","shape":[0],"datatype":"FP32","data":%s}]}'
    assert refusal(where % data)


@pytest.mark.parametrize("depth", [10_000, 1_000_000])
def test_deep_nesting_is_refused_where_members_are_ignored(depth: int) -> None:
    assert "nested" in refusal(b'{"inputs":[],"ignored":%s}' % (b"[" * depth + b"]" * depth))


@pytest.mark.parametrize("missing", ["shape", "datatype", "data"])
def test_a_missing_member_is_named_and_so_is_its_tensor(missing: str) -> None:
    text = refusal(request(ENTRY, entry(name="other", **{missing: None})))
    assert missing in text
    assert "'other'" in text


def test_a_missing_name_is_refused_by_position() -> None:
    assert "`name`" in (text := refusal(request(ENTRY, entry(name=None))))
    assert "$.inputs[1]" in text


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        ("UINT8", 300),
        ("UINT32", -1),
        ("INT8", -129),
        ("INT32", 2**31),
        ("INT64", 2**63),
        ("INT64", -(2**63) - 1),
        ("UINT64", 2**64),
        ("UINT64", 10**100),
        ("INT32", 1.5),
        ("INT32", 1.0),
        ("INT32", "7"),
        ("INT32", "NaN"),
        ("INT32", True),
        ("INT32", None),
        ("FP32", 1e39),
        ("FP32", -1e39),
        ("FP16", 65520),
        ("FP32", "7"),
        ("FP32", "nan"),
        ("FP32", "inf"),
        ("FP32", True),
        ("FP32", None),
        ("FP64", 10**400),
        ("FP64", {}),
        ("BOOL", 1),
        ("BOOL", 0),
        ("BOOL", "true"),
        ("BOOL", None),
        ("BYTES", 1),
        ("BYTES", None),
        ("BF16", 1.0),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_an_element_that_is_not_of_its_datatype_is_refused(
    datatype: str, value: Any, nested: bool
) -> None:
    data = [[value]] if nested else [value]
    text = refusal(request(entry(shape=[1, 1], datatype=datatype, data=data)))
    assert text.startswith("input 'x': ")
    assert datatype in text


@pytest.mark.parametrize("token", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"01", b"+1", b"."])
def test_what_is_no_json_number_is_refused(token: bytes) -> None:
    refusal(b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":[%s]}]}' % token)


@pytest.mark.parametrize(
    "shape",
    [[-1, 4], [1.5], [2.0], ["2"], [True], [None], [[2]], "two", 2, None, {}, [2**63], [10**40]],
)
def test_a_shape_of_anything_but_counts_is_refused(shape: Any) -> None:
    text = refusal(request(ENTRY | {"name": "odd", "shape": shape}))
    assert "'odd'" in text
    assert "shape" in text


@pytest.mark.parametrize(
    "shape", [[3], [1], [], [0], [2, 2], [2**62, 4], [2**62, 0], [10**9, 10**9], [1] * 65, [2] * 64]
)
@pytest.mark.parametrize("datatype", ["FP32", "BYTES", "BOOL"])
@pytest.mark.parametrize("binary", [False, True])
def test_a_shape_that_the_data_does_not_fill_is_refused_at_no_cost(
    shape: list[int], datatype: str, binary: bool
) -> None:
    data = {"BYTES": ["a", "b"], "BOOL": [True, False]}.get(datatype, [1, 2])
    given = {"data": None, "parameters": {"binary_data_size": 11}} if binary else {"data": data}
    text = request(entry(shape=shape, datatype=datatype, **given))
    tracemalloc.start()
    try:
        message = refusal(text + b"12345678901", len(text)) if binary else refusal(text)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert message.startswith("input 'x': ")
    assert peak < 1_000_000


@pytest.mark.parametrize(
    "data",
    [
        [[1], [2, 3, 4]],
        [[1, 2], [3]],
        [[1, 2, 3, 4]],
        [[[1, 2], [3, 4]]],
        [[1, 2], 3, 4],
        [1, [2], 3, 4],
        [[[1], [2]], [[3], [4]]],
        [[], [1, 2, 3, 4]],
    ],
)
@pytest.mark.parametrize("datatype", ["INT32", "FP32", "BYTES"])
def test_nesting_that_is_not_the_shape_is_refused(data: Any, datatype: str) -> None:
    written = json.dumps(data)
    if datatype == "BYTES":
        written = "".join(f'"{each}"' if each.isdigit() else each for each in written)
    document = request(entry(shape=[2, 2], datatype=datatype, data="?"))
    assert "'x'" in refusal(document.replace(b'"?"', written.encode()))


@pytest.mark.parametrize("data", [5, "abc", {}, True, [[], [0]], [[[]]]])
def test_data_that_is_no_array_of_the_shape_is_refused(data: Any) -> None:
    assert "data" in refusal(request(entry(shape=[2, 0], data=data)))


@pytest.mark.parametrize("datatype", ["fp32", "FLOAT", "", "FP32 ", "STRING"])
def test_an_unknown_datatype_is_refused(datatype: str) -> None:
    assert repr(datatype) in refusal(request(entry(datatype=datatype)))


@pytest.mark.parametrize("value", [None, [], {}, [1]])
def test_a_parameter_is_a_string_a_number_or_a_boolean(value: Any) -> None:
    assert "parameters" in refusal(request(ENTRY, parameters={"p": value}))
    assert "'x'" in refusal(request(entry(parameters={"p": value})))
    assert "'y'" in refusal(request(outputs=[{"name": "y", "parameters": {"p": value}}]))


@pytest.mark.parametrize("value", [42, True, [], {}])
def test_an_id_is_a_string(value: Any) -> None:
    assert "$.id" in refusal(request(ENTRY, id=value))


def test_names_given_twice_are_refused() -> None:
    assert "input 'x' is given 2 times" in refusal(request(ENTRY, ENTRY))
    assert "output 'y'" in refusal(request(outputs=[{"name": "y"}, {"name": "y"}]))


@pytest.mark.parametrize("flag", ["true", 1, 0.0])
def test_a_flag_of_the_binary_extension_is_a_boolean(flag: Any) -> None:
    wanted = [{"name": "y", "parameters": {"binary_data": flag}}]
    assert "output 'y': binary_data" in refusal(request(outputs=wanted))
    assert "binary_data_output" in refusal(request(parameters={"binary_data_output": flag}))


def binary(size: Any, **members: Any) -> bytes:
    return request(entry(**{"data": None, "parameters": {"binary_data_size": size}} | members))


@pytest.mark.parametrize("header_length", [-1, 10**6, 10**100])
def test_a_header_length_beyond_the_body_is_refused(header_length: int) -> None:
    assert "header length" in refusal(binary(8) + bytes(8), header_length)


@pytest.mark.parametrize("header_length", [0, 1, -1])
def test_a_header_length_that_cuts_the_json_is_refused(header_length: int) -> None:
    text = binary(8)
    assert refusal(text + bytes(8), header_length if header_length >= 0 else len(text) - 1)


@pytest.mark.parametrize("size", [0, 4, 7, 9, 12, -8, 8.0, "8", True, 2**70])
def test_a_binary_data_size_other_than_the_tensors_is_refused(size: Any) -> None:
    text = binary(size)
    assert "'x'" in refusal(text + bytes(100), len(text))


@pytest.mark.parametrize("found", [0, 7, 9, 16])
def test_missing_and_left_over_bytes_are_refused(found: int) -> None:
    text = binary(8)
    assert "bytes" in refusal(text + bytes(found), len(text))


def test_a_size_without_a_binary_part_is_refused() -> None:
    assert "0 bytes are left" in refusal(binary(8))


def test_data_and_binary_data_size_exclude_each_other() -> None:
    text = binary(8, data=[1, 2])
    assert "found both of data and binary_data_size" in refusal(text + bytes(8), len(text))


def test_a_raw_bool_is_zero_or_one() -> None:
    text = binary(2, datatype="BOOL")
    assert "BOOL" in refusal(text + b"\x01\x02", len(text))


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "00000000 000000",
        "01000000 61 01000000",
        "01000000 61 ffffffff 62",
        "00000000 00000000 00",
        "00000000 00000000 00000000",
    ],
)
def test_raw_bytes_that_do_not_hold_the_elements_are_refused(raw: str) -> None:
    block = bytes.fromhex(raw)
    text = binary(len(block), datatype="BYTES")
    assert "'x'" in refusal(text + block, len(text))


def test_an_answer_without_a_model_name_is_refused() -> None:
    with pytest.raises(WireError, match="model_name"):
        rest.decode_response(b'{"outputs":[]}', header_length=None)


@pytest.mark.parametrize(
    ("tensor", "says"),
    [
        (Tensor("y", "BYTES", np.array([b"a", b"\xff"], object)), "element 1 is not UTF-8"),
        (Tensor("y", "BF16", np.array([1], np.uint16)), "BF16 has no form in JSON"),
        (Tensor("y", "FP32", np.array([1.0])), "float64, expected float32"),
    ],
)
def test_an_output_that_json_cannot_hold_is_refused_by_name(tensor: Tensor, says: str) -> None:
    with pytest.raises(WireError, match=f"output 'y': .*{says}"):
        rest.encode_response(InferResponse("m", "", (tensor,)), frozenset())


def test_an_error_text_stays_short_however_long_the_mistake() -> None:
    assert len(refusal(request(entry(datatype="F" * 10**6)))) < 400
    assert len(refusal(request(entry(data=["F" * 10**6, 1])))) < 400
    assert len(refusal(request(entry(name="F" * 10**6, data=["7"])))) < 400
    assert len(refusal(request(entry(shape=[10**6] * 60)))) < 400


def test_the_binary_flags_are_read_apart_from_the_parameters() -> None:
    wanted = [{"name": "y", "parameters": {"binary_data": False, "a": 1}}, {"name": "z"}]
    body = request(outputs=wanted, parameters={"binary_data_output": True, "b": 2})
    found = rest.decode_request("m", "", body, header_length=None)
    assert found.outputs == (RequestedOutput("y", False, {"a": 1}), RequestedOutput("z"))
    assert (found.binary_output, found.parameters) == (True, {"b": 2})


def test_an_error_is_the_protocols_error_object() -> None:
    assert rest.encode_error('no "é"') == '{"error":"no \\"é\\""}'.encode()
    assert rest.encode_error("\ud800") == b'{"error":"?"}'


MUCH = 2_000_000
"""Bytes of what is no tensor."""


@pytest.mark.parametrize(
    ("shape", "data"),
    [
        ([1], b"[%b]" % (b"1" * MUCH)),
        ([1], b"[1%b]" % (b" " * MUCH)),
        ([1, 1], b"[%b[]]" % (b"[]," * (MUCH // 3))),
        ([MUCH // 3 + 1, 0], b"[%b[]]" % (b"[]," * (MUCH // 3))),
        ([MUCH], b"[1%b]" % (b",1" * (MUCH // 2))),
    ],
    ids=["digits", "space", "other-count", "empty-rows", "too-few"],
)
def test_data_that_cannot_fit_are_refused_before_they_are_parsed(
    shape: list[int], data: bytes
) -> None:
    body = b'{"inputs":[{"name":"x","shape":%a,"datatype":"FP32","data":%b}]}' % (shape, data)
    tracemalloc.start()
    refusal(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * len(body)


@pytest.mark.parametrize(
    "members",
    [{"id": "x" * MUCH}, {"ignored": [1] * MUCH}, {"parameters": {"x": "y" * MUCH}}],
    ids=["id", "ignored", "parameters"],
)  # fmt: skip
def test_much_beside_the_data_is_refused(members: dict[str, Any]) -> None:
    assert "beside data" in refusal(request(ENTRY, **members))


def test_many_inputs_are_refused_as_much_beside_the_data() -> None:
    assert "beside data" in refusal(request(*[ENTRY] * 40_000))


def test_white_space_around_a_request_is_not_counted() -> None:
    body = request(ENTRY)
    padded = rest.decode_request("m", "", body.ljust(MUCH), header_length=None)
    assert len(padded.inputs) == 1
