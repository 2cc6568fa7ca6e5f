"""The `data` member of a JSON tensor: its text to an array and back.

Decoding is strict: an element is of its datatype, exactly, or refused. What JSON cannot write as a
number is written as the strings "NaN", "Infinity" and "-Infinity", and read likewise.

Long data is read and written in pieces: between two of them other threads have a turn.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Literal

import msgspec
import numpy as np

from .datatypes import Datatype
from .messages import Tensor, WireError
from .tensors import PIECE, brief, checked_array, element_count, object_array, shaped

__all__ = ["decode_elements", "encode_elements"]

# By the kind of the numpy type: what an element is in JSON, and how an error text says it.
ELEMENT: dict[str, Any] = {
    "b": bool,
    "i": int,
    "u": int,
    "f": float | Literal["NaN", "Infinity", "-Infinity"],
    "O": str,
}
EXPECTED = {
    "b": "true or false",
    "i": "integers",
    "u": "integers",
    "f": 'numbers, "NaN", "Infinity" or "-Infinity"',
    "O": "strings",
}
NON_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
PIECE_OF_TEXT = 8 * PIECE
MUCH_TEXT = 2**16
"""Bytes of data from which they are looked at before they are parsed: what cannot be is refused."""
LONGEST_ELEMENT = 2**10
"""Bytes that a number may take in much text, on average, with the space around it."""
OPENING = re.compile(rb"(?:[ \t\n\r]*\[)*")


def decode_elements(datatype: Datatype, shape: Sequence[int], data: msgspec.Raw) -> np.ndarray:
    """The array that the JSON text `data` writes, flat or nested as `shape`.

    Raises:
        WireError: the text is not exactly a tensor of this datatype and shape.
    """
    if datatype.name == "BF16":
        raise WireError("BF16 has no form in JSON: send it as binary tensor data or over gRPC")
    depth = _depth(data)
    count = element_count(shape)
    if len(data) > MUCH_TEXT and datatype.size is not None:
        _check_text(data, count, shape)
    if count == 0:
        _check_empty(data, shape)
        return shaped(np.empty(0, datatype.dtype), shape)
    if depth not in (1, len(shape)):
        raise WireError(
            f"data is nested {depth} deep, expected 1 (flat) or {len(shape)} for shape {[*shape]}"
        )
    pieces = _pieces(datatype, depth, data)
    array = _whole([_array(datatype, _parse(datatype, depth, piece)) for piece in pieces])
    if depth > 1 and array.shape != tuple(shape):
        raise WireError(f"data is nested as {[*array.shape]}, expected {[*shape]}")
    if datatype.size is None:
        array = object_array([text.encode() for text in array.ravel().tolist()])
    return shaped(array, shape)


def _depth(data: msgspec.Raw) -> int:
    """How many arrays open before the first element."""
    opening = OPENING.match(data)
    depth = opening.group().count(b"[") if opening else 0
    if depth == 0:
        found = bytes(data)[:40].decode(errors="replace")
        raise WireError(f"data is {found}, expected an array")
    return depth


def _check_text(data: msgspec.Raw, count: int, shape: Sequence[int]) -> None:
    """Refuse text that is too long for its elements, or has another count of them.

    There is a comma between any two elements, however they are nested, and nowhere else.
    """
    if len(data) > MUCH_TEXT + LONGEST_ELEMENT * count:
        raise WireError(f"data takes {len(data)} bytes for shape {brief(list(shape))}")
    commas = int(np.count_nonzero(np.frombuffer(data, np.uint8) == ord(",")))
    if count and commas != count - 1:
        raise WireError(
            f"data is of {commas + 1} elements, expected {brief(count)} for shape"
            f" {brief(list(shape))}"
        )


def _check_empty(data: msgspec.Raw, shape: Sequence[int]) -> None:
    """A tensor without elements is written as `[]`, or nested down to its dimension of 0."""

    def nested(values: Any, shape: Sequence[int]) -> bool:
        return isinstance(values, list) and (
            len(values) == shape[0] and all(nested(value, shape[1:]) for value in values)
        )

    try:
        values = msgspec.json.decode(data)
        fits = not values or nested(values, shape)
    except (ValueError, RecursionError):  # a number that no float can hold; too deep
        fits = False
    if not fits:
        raise WireError(f"data does not fit, expected [] for shape {[*shape]}")


@cache
def _decoder(kind: str, depth: int) -> msgspec.json.Decoder[list[Any]]:
    expected = ELEMENT[kind]
    for _ in range(depth):
        expected = list[expected]  # type: ignore[valid-type]
    return msgspec.json.Decoder(expected)


def _pieces(datatype: Datatype, depth: int, data: msgspec.Raw) -> Iterator[bytes | msgspec.Raw]:
    """Arrays of the same depth, which have the entries of `data` one after the other.

    It is known to be JSON. Numbers hold no comma and no bracket, so that the end of an entry can be
    found from anywhere; strings can, so they are left whole.
    """
    if len(data) <= PIECE_OF_TEXT or datatype.dtype.kind == "O":
        yield data
        return
    text = bytes(data)
    start, end = text.index(b"[") + 1, text.rindex(b"]")
    boundary = _boundary(depth)
    while start < end:
        found = boundary.search(text, start + PIECE_OF_TEXT, end)
        comma = found.end() - 1 if found else end
        yield b"[%b]" % text[start:comma]
        start = comma + 1


@cache
def _boundary(depth: int) -> re.Pattern[bytes]:
    """Where an entry of the outermost array ends: behind the arrays in it, a comma."""
    return re.compile(rb"(?:\][ \t\n\r]*){%d}," % (depth - 1))


def _whole(pieces: list[np.ndarray]) -> np.ndarray:
    try:
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
    except ValueError:
        raise WireError("data is ragged, expected nested as its shape") from None


def _parse(datatype: Datatype, depth: int, data: bytes | msgspec.Raw) -> list[Any]:
    kind = datatype.dtype.kind
    try:
        return _decoder(kind, depth).decode(data)
    except (ValueError, RecursionError) as error:
        said = str(error)
        if isinstance(data, bytes):  # a piece: the place in it says nothing
            said = said.partition(" - at ")[0]
        raise WireError(
            f"data is not {datatype.name}, expected {EXPECTED[kind]}: {said[:200]}"
        ) from None


def _array(datatype: Datatype, values: list[Any]) -> np.ndarray:
    """Python values, flat or nested, as an array of the same nesting."""
    try:
        with np.errstate(over="raise"):
            return np.array(values, dtype=datatype.dtype)
    except (OverflowError, FloatingPointError) as error:
        raise WireError(f"data is out of the range of {datatype.name}: {error}") from None
    except ValueError:
        raise WireError("data is ragged, expected nested as its shape") from None


def encode_elements(tensor: Tensor) -> list[Any] | msgspec.Raw:
    """The elements in row-major order, as values that JSON can write or as the JSON text.

    Raises:
        WireError: JSON cannot write them, or the array does not hold its datatype.
    """
    array = checked_array(tensor)
    if tensor.datatype == "BF16":
        raise WireError("BF16 has no form in JSON: ask for it as binary data or over gRPC")
    flat = array.ravel()
    if flat.size <= PIECE:
        return _values(flat, 0)
    starts = range(0, flat.size, PIECE)
    pieces = (msgspec.json.encode(_values(flat[start : start + PIECE], start)) for start in starts)
    return msgspec.Raw(b"[%b]" % b",".join([piece[1:-1] for piece in pieces]))


def _values(array: np.ndarray, start: int) -> list[Any]:
    """The values of a flat array, which begins at element `start` of the tensor."""
    values: list[Any] = array.tolist()
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return [NON_FINITE.get(str(value), value) for value in values]
    if array.dtype.kind == "O":
        return [_text(index, value) for index, value in enumerate(values, start)]
    return values


def _text(index: int, element: bytes) -> str:
    try:
        return element.decode()
    except UnicodeDecodeError:
        raise WireError(
            f"element {index} is not UTF-8 and has no form in JSON: ask for it as binary data"
        ) from None
