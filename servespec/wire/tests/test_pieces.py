"""Long tensors are read and written in pieces, which nobody can tell from the outcome."""

import json

import numpy as np
import pytest

from .. import grpc, rest
from ..messages import InferRequest, InferResponse, Tensor, WireError
from ..tensors import PIECE

COUNT = 9 * PIECE + 5
"""So many elements are several pieces, also as text of two bytes each."""


ROWS = 2 * PIECE
"""Likewise rows of two elements."""


def body(shape: list[int], data: str, datatype: str = "FP32") -> bytes:
    """A request of one tensor."""
    tensor = json.dumps({"name": "x", "shape": shape, "datatype": datatype})
    return f'{{"inputs":[{tensor[:-1]},"data":{data}}}]}}'.encode()


def decoded(sent: bytes) -> np.ndarray:
    """The tensor of a request."""
    request: InferRequest = rest.decode_request("m", "", sent, header_length=None)
    return request.inputs[0].array


def response(array: np.ndarray, datatype: str) -> InferResponse:
    """An answer of one tensor."""
    return InferResponse("m", "1", (Tensor("y", datatype, array),))


def long(datatype: str) -> np.ndarray:
    """A long tensor whose elements differ."""
    numbers = np.arange(COUNT)
    if datatype == "BYTES":
        return np.array([b'%d",\\"],[' % number for number in numbers], dtype=object)
    return numbers.astype({"FP32": "<f4", "INT64": "<i8", "BOOL": "?"}[datatype])


@pytest.mark.parametrize("space", ["", " ", "\n\t"])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_flat_and_nested_data_is_read_in_pieces(depth: int, space: str) -> None:
    shape = {1: [ROWS * 2], 2: [ROWS, 2], 3: [ROWS, 2, 1]}[depth]
    values = np.arange(ROWS * 2).reshape(shape)
    text = json.dumps(values.tolist(), separators=(f"{space},{space}", ":")).replace(
        "]", f"{space}]"
    )
    assert (decoded(body(shape, text)) == values).all()


@pytest.mark.parametrize("datatype", ["FP32", "INT64", "BOOL", "BYTES"])
def test_what_is_written_in_pieces_is_read_as_it_was(datatype: str) -> None:
    array = long(datatype)
    sent, _ = rest.encode_response(response(array, datatype), frozenset())
    assert json.loads(sent)["outputs"][0]["shape"] == [COUNT]
    assert (rest.decode_response(sent, header_length=None).outputs[0].array == array).all()
    message = grpc.encode_response(response(array, datatype), raw=False)
    assert (grpc.decode_response(message).outputs[0].array == array).all()


def test_what_json_cannot_write_as_a_number_is_read_and_written_in_any_piece() -> None:
    array = long("FP32")
    array[[0, PIECE, COUNT - 1]] = np.nan, np.inf, -np.inf
    sent, _ = rest.encode_response(response(array, "FP32"), frozenset())
    found = rest.decode_response(sent, header_length=None).outputs[0].array
    assert np.array_equal(found, array, equal_nan=True)


@pytest.mark.parametrize("bad", ["[1]", "null", '"x"', "1e99", '","', "[[1]]", "true"])
@pytest.mark.parametrize("place", [0, 4 * PIECE, COUNT - 1])
def test_one_wrong_element_is_refused_wherever_it_is(bad: str, place: int) -> None:
    data = ["1"] * COUNT
    data[place] = bad
    with pytest.raises(WireError, match="data is"):
        decoded(body([COUNT], f"[{','.join(data)}]"))


@pytest.mark.parametrize("bad", ["[1]", "[1,2,3]", "[]", "1", "[[1,2]]", "[[1],[2]]"])
@pytest.mark.parametrize("place", [0, PIECE, ROWS - 1])
def test_one_ragged_row_is_refused_wherever_it_is(bad: str, place: int) -> None:
    rows = ["[1,2]"] * ROWS
    rows[place] = bad
    with pytest.raises(WireError, match="data is"):
        decoded(body([ROWS, 2], f"[{','.join(rows)}]"))


def test_rows_of_another_length_are_refused_also_where_all_of_a_piece_have_it() -> None:
    rows = ["[1,2]"] * ROWS + ["[1,2,3]"] * ROWS
    with pytest.raises(WireError, match="ragged"):
        decoded(body([5, ROWS], f"[{','.join(rows)}]"))


def test_an_element_that_is_not_utf_8_is_named_by_its_place_in_the_tensor() -> None:
    array = long("BYTES")
    array[COUNT - 1] = b"\xff"
    with pytest.raises(WireError, match=f"element {COUNT - 1} is not UTF-8"):
        rest.encode_response(response(array, "BYTES"), frozenset())
