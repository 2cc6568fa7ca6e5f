"""Inputs of gRPC inferences, put together by hand: no codec stands between a check and the wire."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

from servespec.wire import proto as pb
from servespec.wire.datatypes import DATATYPES

__all__ = ["FIELDS", "ONE", "Input", "bare", "bits", "contents", "fp32", "raw", "sample", "typed"]

Input: TypeAlias = pb.ModelInferRequest.InferInputTensor

FIELDS = {name: datatype.contents for name, datatype in DATATYPES.items() if datatype.contents}
"""The field of the typed contents by datatype, for those that have one."""

_HALVES = {
    "FP16": (0x2E66, 0x8000, 0x7BFF, 0x0001),  # 0.1, -0.0, the largest, the smallest
    "BF16": (0x3DCD, 0x8000, 0x7F7F, 0x0001),
}
_TEXTS = (b"", b"a", "é".encode(), b"two words")


def contents(field: str, values: Iterable[Any]) -> pb.InferTensorContents:
    """Typed contents in any field."""
    message = pb.InferTensorContents()
    getattr(message, field).extend(values)
    return message


def typed(name: str, datatype: str, shape: Sequence[int], values: Iterable[Any]) -> Input:
    """An input whose values travel in the field of its datatype."""
    return Input(
        name=name, datatype=datatype, shape=shape, contents=contents(FIELDS[datatype], values)
    )


def bare(name: str, datatype: str, shape: Sequence[int]) -> Input:
    """An input whose values travel as a raw entry beside it."""
    return Input(name=name, datatype=datatype, shape=shape)


def fp32(name: str, *values: float) -> Input:
    """A row of FP32 values, typed."""
    return typed(name, "FP32", [1, len(values)], values)


ONE = fp32("x", 1.0)
"""The smallest input of `identity_fp32`."""


def raw(array: np.ndarray) -> bytes:
    """The raw entry of an array."""
    if array.dtype != object:
        return array.tobytes()
    return b"".join(len(each).to_bytes(4, "little") + each for each in array.flat)


def sample(datatype: str) -> np.ndarray:
    """Four values of a datatype as [2, 2], those among them that are lost first."""
    dtype: np.dtype[Any] = DATATYPES[datatype].dtype
    values: Sequence[Any]
    match dtype.kind:
        case "O":
            values = _TEXTS
        case "b":
            values = (True, False, True, False)
        case _ if datatype in _HALVES:
            return np.array(_HALVES[datatype], "<u2").view(dtype).reshape(2, 2)
        case "f":
            limits = np.finfo(dtype)
            values = (0.1, -0.0, limits.max, limits.smallest_subnormal)
        case _:
            values = (np.iinfo(dtype).min, np.iinfo(dtype).max, 1, 0)
    return np.array(values, dtype).reshape(2, 2)


def bits(array: np.ndarray) -> object:
    """What two arrays are compared by: -0.0 is not 0.0, and a NaN is itself."""
    return array.tolist() if array.dtype == object else (array.shape, array.tobytes())
