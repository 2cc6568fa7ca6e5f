"""What both planes say of a tensor: its datatype by name, its shape, its raw bytes.

The errors name no tensor: the codec that calls knows which one it reads, and says so.
"""

import math
import reprlib
import struct
from collections import Counter
from collections.abc import Sequence

import numpy as np

from .datatypes import DATATYPES, Datatype
from .messages import Tensor, WireError

__all__ = [
    "PIECE",
    "brief",
    "checked_array",
    "datatype_named",
    "decode_raw",
    "element_count",
    "encode_raw",
    "object_array",
    "refuse_twins",
    "shaped",
]

PIECE = 2**15
"""Elements that become Python objects at once: other threads wait for some milliseconds."""

MAX_RANK = 64  # numpy's
MAX_DIMENSION = 2**63 - 1  # the protocol's

brief = reprlib.Repr().repr
"""A found value for an error text, cut to a bearable length."""


def datatype_named(name: str) -> Datatype:
    """The datatype of that name; case matters.

    Raises:
        WireError: there is none.
    """
    datatype = DATATYPES.get(name)
    if datatype is None:
        raise WireError(f"datatype {brief(name)}, expected one of {', '.join(DATATYPES)}")
    return datatype


def element_count(shape: Sequence[int]) -> int:
    """The number of elements of a shape, in exact integers: nothing is allocated.

    Raises:
        WireError: a rank or a dimension that no tensor has.
    """
    if len(shape) > MAX_RANK:
        raise WireError(f"shape has {len(shape)} dimensions, expected at most {MAX_RANK}")
    for dimension in shape:
        if not 0 <= dimension <= MAX_DIMENSION:
            raise WireError(f"shape {brief(list(shape))}, expected dimensions from 0 to 2^63 - 1")
    return math.prod(shape)


def shaped(array: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """A flat array in a shape, as a view.

    Raises:
        WireError: they do not fit, or numpy cannot hold the shape.
    """
    count = element_count(shape)
    if array.size != count:
        raise WireError(
            f"found {array.size} elements, expected {brief(count)} for shape {brief(list(shape))}"
        )
    try:
        return array.reshape(shape)
    except ValueError:  # [0, 2^62] has no elements, and is still too large to count in
        expected = "expected dimensions whose product fits into 63 bits"
        raise WireError(f"found shape {brief(list(shape))}, {expected}") from None


def object_array(elements: Sequence[object]) -> np.ndarray:
    """A flat array whose elements are these very objects."""
    array = np.empty(len(elements), dtype=object)
    array[:] = elements
    return array


def decode_raw(datatype: Datatype, shape: Sequence[int], data: bytes | memoryview) -> np.ndarray:
    """Raw bytes (little-endian, row-major, unpadded) as an array, without a copy where possible.

    Raises:
        WireError: the bytes are not exactly a tensor of this datatype and shape.
    """
    count = element_count(shape)
    if datatype.size is None:
        return shaped(object_array(_split(data, count)), shape)
    if len(data) != count * datatype.size:
        raise WireError(
            f"found {len(data)} raw bytes, expected {brief(count * datatype.size)} "
            f"for {datatype.name} {brief(list(shape))}"
        )
    array = np.frombuffer(data, dtype=datatype.dtype)
    if datatype.name == "BOOL" and array.view(np.uint8).max(initial=0) > 1:
        raise WireError("found a raw BOOL above 1, expected bytes 0 or 1")
    if not array.flags.aligned:  # inside a body it starts anywhere; engines want it aligned
        array = array.copy()
    return shaped(array, shape)


def _split(data: bytes | memoryview, count: int) -> list[bytes]:
    """The elements of raw BYTES: each a 4-byte little-endian length, then as many bytes."""
    if 4 * count > len(data):
        raise WireError(
            f"found {len(data)} raw bytes, expected at least {brief(4 * count)} "
            f"for {brief(count)} BYTES elements"
        )
    elements, offset = [], 0
    for index in range(count):
        start = offset + 4
        if start > len(data):
            raise WireError(f"raw BYTES end before the length of element {index} of {count}")
        offset = start + struct.unpack_from("<I", data, offset)[0]
        if offset > len(data):
            raise WireError(
                f"raw BYTES element {index} of {count} is declared {offset - start} bytes long, "
                f"found {len(data) - start}"
            )
        elements.append(bytes(data[start:offset]))
    if offset != len(data):
        raise WireError(f"found {len(data) - offset} raw bytes after the last of {count} elements")
    return elements


def encode_raw(tensor: Tensor) -> bytes:
    """The raw bytes of a tensor.

    Raises:
        WireError: its array does not hold its datatype.
    """
    array = checked_array(tensor)
    if array.dtype != object:
        return array.tobytes()
    return b"".join(struct.pack("<I", len(each)) + each for each in array.ravel().tolist())


def checked_array(tensor: Tensor) -> np.ndarray:
    """The array of a tensor.

    Raises:
        WireError: its element type is not the datatype's.
    """
    expected = datatype_named(tensor.datatype).dtype
    if tensor.array.dtype != expected:
        raise WireError(
            f"found an array of {tensor.array.dtype}, expected {expected} for {tensor.datatype}"
        )
    return tensor.array


def refuse_twins(what: str, names: Sequence[str]) -> None:
    """Tensors are bound by name, so a name may appear once.

    Raises:
        WireError: one appears twice.
    """
    if len(set(names)) != len(names):
        twin, count = Counter(names).most_common(1)[0]
        raise WireError(f"{what} {brief(twin)} is given {count} times, expected once")
