"""Tensors of an answer to numpy: whatever does not add up is the target's FAIL, in one sentence."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..wire.datatypes import Datatype
from ..wire.messages import WireError
from ..wire.tensors import datatype_named, decode_raw, shaped
from .outcomes import Nonconformance

__all__ = ["flat", "from_contents", "from_json", "from_raw", "size_of"]

_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_IN_JSON = {"b": (bool,), "u": (int,), "i": (int,), "f": (int, float)}


def flat(data: Any) -> Iterator[Any]:
    """The elements of JSON tensor data in row-major order, be they nested or flat."""
    if isinstance(data, list):
        for element in data:
            yield from flat(element)
    else:
        yield data


def from_json(name: str, entry: Mapping[str, Any]) -> np.ndarray:
    """Read a tensor object of a JSON answer that carries `data`, nested in whatever way."""
    datatype, shape = _signature(name, entry.get("datatype"), entry.get("shape"))
    if not isinstance(entry.get("data"), list):
        raise Nonconformance(f"output {name}: has no list of data")
    return _array(
        name, datatype, shape, [_element(name, datatype, one) for one in flat(entry["data"])]
    )


def from_contents(name: str, datatype: Any, shape: Any, contents: Any) -> np.ndarray:
    """Read a tensor from its typed gRPC contents, an InferTensorContents."""
    known, dimensions = _signature(name, datatype, shape)
    if known.contents is None:
        raise Nonconformance(f"output {name}: {known.name} has raw contents only, and none came")
    return _array(name, known, dimensions, list(getattr(contents, known.contents)))


def from_raw(name: str, datatype: Any, shape: Any, raw: bytes) -> np.ndarray:
    """Read a tensor from its raw form: little-endian, row-major, BYTES with their lengths."""
    known, dimensions = _signature(name, datatype, shape)
    with _blaming(name):
        return decode_raw(known, dimensions, raw)


def size_of(name: str, entry: Mapping[str, Any]) -> int | None:
    """The `binary_data_size` of a JSON output entry; None where its data is in the JSON."""
    parameters = entry.get("parameters")
    if not isinstance(parameters, dict) or "binary_data_size" not in parameters:
        return None
    size = parameters["binary_data_size"]
    if type(size) is not int or size < 0:
        raise Nonconformance(f"output {name}: binary_data_size is {size!r}, not a number of bytes")
    return size


@contextmanager
def _blaming(name: str) -> Iterator[None]:
    """What is wrong with the tensor is wrong with the target."""
    try:
        yield
    except WireError as error:
        raise Nonconformance(f"output {name}: {error}") from None


def _signature(name: str, datatype: Any, shape: Any) -> tuple[Datatype, tuple[int, ...]]:
    if not isinstance(shape, list) or not all(type(size) is int for size in shape):
        raise Nonconformance(f"output {name}: the shape is {shape!r}, not a list of sizes")
    if not isinstance(datatype, str):
        raise Nonconformance(f"output {name}: the datatype is {datatype!r}, not a string")
    with _blaming(name):
        return datatype_named(datatype), tuple(shape)


def _array(name: str, datatype: Datatype, shape: tuple[int, ...], values: list[Any]) -> np.ndarray:
    array = np.empty(len(values), datatype.dtype)
    try:
        with np.errstate(over="ignore"):  # 1e39 is Infinity in FP32: the check judges that
            array[:] = values
    except (OverflowError, ValueError) as error:
        raise Nonconformance(f"output {name}: a value is no {datatype.name}: {error}") from None
    with _blaming(name):
        return shaped(array, shape)


def _element(name: str, datatype: Datatype, value: Any) -> Any:
    kind = datatype.dtype.kind
    if kind == "O" and isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if kind == "f" and isinstance(value, str) and value in _NON_FINITE:
        return _NON_FINITE[value]
    if type(value) not in _IN_JSON.get(kind, ()) or datatype.name == "BF16":
        raise Nonconformance(f"output {name}: {value!r} in JSON is no {datatype.name}")
    return value
