"""Tensors of an answer to numpy: whatever does not add up is the target's FAIL, in one sentence."""

import math
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..wire.datatypes import DATATYPES, Datatype
from .outcomes import Nonconformance

__all__ = ["flat", "from_contents", "from_json", "from_raw", "size_of"]

_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def flat(data: Any) -> Iterator[Any]:
    """The elements of JSON tensor data in row-major order, be they nested or flat."""
    if isinstance(data, list):
        for element in data:
            yield from flat(element)
    else:
        yield data


def from_json(name: str, entry: Mapping[str, Any]) -> np.ndarray:
    """Read a tensor object of a JSON answer that carries `data`."""
    datatype, shape = _signature(name, entry.get("datatype"), entry.get("shape"))
    if not isinstance(entry.get("data"), list):
        raise Nonconformance(f"output {name}: has no list of data")
    values = list(flat(entry["data"]))
    _must_fit(name, shape, len(values))
    return _array(name, datatype, shape, [_element(name, datatype, value) for value in values])


def from_contents(name: str, datatype: Any, shape: Any, contents: Any) -> np.ndarray:
    """Read a tensor from its typed gRPC contents, an InferTensorContents."""
    known, dimensions = _signature(name, datatype, shape)
    if known.contents is None:
        raise Nonconformance(f"output {name}: {known.name} has raw contents only, and none came")
    values = list(getattr(contents, known.contents))
    _must_fit(name, dimensions, len(values))
    return _array(name, known, dimensions, values)


def from_raw(name: str, datatype: Any, shape: Any, raw: bytes) -> np.ndarray:
    """Read a tensor from its raw form: little-endian, row-major, BYTES with their lengths."""
    known, dimensions = _signature(name, datatype, shape)
    if known.size is None:
        texts = list(_texts(name, raw))
        _must_fit(name, dimensions, len(texts))
        return _array(name, known, dimensions, texts)
    expected = math.prod(dimensions) * known.size
    if len(raw) != expected:
        raise Nonconformance(
            f"output {name}: {known.name} of shape {list(dimensions)} takes {expected} bytes"
            f" but {len(raw)} came"
        )
    return _shaped(name, np.frombuffer(raw, known.dtype), dimensions)


def size_of(name: str, entry: Mapping[str, Any]) -> int | None:
    """The `binary_data_size` of a JSON output entry; None where its data is in the JSON."""
    parameters = entry.get("parameters")
    if not isinstance(parameters, dict) or "binary_data_size" not in parameters:
        return None
    size = parameters["binary_data_size"]
    if type(size) is not int or size < 0:
        raise Nonconformance(f"output {name}: binary_data_size is {size!r}, not a number of bytes")
    return size


def _signature(name: str, datatype: Any, shape: Any) -> tuple[Datatype, tuple[int, ...]]:
    if not isinstance(datatype, str) or datatype not in DATATYPES:
        raise Nonconformance(f"output {name}: the datatype is {datatype!r}, none of the protocol")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise Nonconformance(f"output {name}: the shape is {shape!r}, not a list of sizes")
    return DATATYPES[datatype], tuple(shape)


def _must_fit(name: str, shape: tuple[int, ...], came: int) -> None:
    announced = math.prod(shape)
    if came != announced:
        raise Nonconformance(
            f"output {name}: shape {list(shape)} announces {announced} values but {came} came"
        )


def _array(name: str, datatype: Datatype, shape: tuple[int, ...], values: list[Any]) -> np.ndarray:
    array = np.empty(len(values), datatype.dtype)
    try:
        with np.errstate(over="ignore"):  # 1e39 is Infinity in FP32: the check judges that
            array[:] = values
    except (OverflowError, ValueError, TypeError) as error:
        raise Nonconformance(f"output {name}: a value is no {datatype.name}: {error}") from None
    return _shaped(name, array, shape)


def _shaped(name: str, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    try:
        return array.reshape(shape)
    except (OverflowError, ValueError):  # more dimensions, or larger ones, than there can be
        raise Nonconformance(f"output {name}: no tensor has the shape {list(shape)}") from None


def _element(name: str, datatype: Datatype, value: Any) -> Any:
    kind = datatype.dtype.kind
    if kind == "O" and isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if kind == "f" and isinstance(value, str) and value in _NON_FINITE:
        return _NON_FINITE[value]
    accepted = {"b": (bool,), "u": (int,), "i": (int,), "f": (int, float)}.get(kind, ())
    if type(value) not in accepted or datatype.name == "BF16":
        raise Nonconformance(f"output {name}: {value!r} in JSON is no {datatype.name}")
    return value


def _texts(name: str, raw: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(raw):
        if at + 4 > len(raw):
            raise Nonconformance(f"output {name}: the length of an element is cut at byte {at}")
        (length,) = struct.unpack_from("<I", raw, at)
        at += 4
        if at + length > len(raw):
            raise Nonconformance(
                f"output {name}: an element announces {length} bytes but {len(raw) - at} came"
            )
        yield raw[at : at + length]
        at += length
