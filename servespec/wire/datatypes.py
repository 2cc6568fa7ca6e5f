"""The tensor datatypes of the Open Inference Protocol: the only such table."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

__all__ = ["DATATYPES", "Datatype"]


@dataclass(frozen=True, slots=True)
class Datatype:
    """One tensor element on the wire and in memory.

    Attributes:
        name: as written on the wire; case-sensitive.
        size: bytes an element in raw form; None for BYTES, whose elements carry their own length.
        dtype: the numpy type that holds it. BF16 is held as its bit pattern in uint16; BYTES as
            Python `bytes` in an object array.
        contents: the field of `InferTensorContents` that carries it; None where the protocol
            allows raw contents only.
    """

    name: str
    size: int | None
    dtype: np.dtype[np.generic]
    contents: str | None


def _table(*rows: tuple[str, int | None, str, str | None]) -> Mapping[str, Datatype]:
    return MappingProxyType(
        {
            name: Datatype(name, size, np.dtype(dtype), contents)
            for name, size, dtype, contents in rows
        }
    )


DATATYPES = _table(
    ("BOOL", 1, "?", "bool_contents"),
    ("UINT8", 1, "u1", "uint_contents"),
    ("UINT16", 2, "<u2", "uint_contents"),
    ("UINT32", 4, "<u4", "uint_contents"),
    ("UINT64", 8, "<u8", "uint64_contents"),
    ("INT8", 1, "i1", "int_contents"),
    ("INT16", 2, "<i2", "int_contents"),
    ("INT32", 4, "<i4", "int_contents"),
    ("INT64", 8, "<i8", "int64_contents"),
    ("FP16", 2, "<f2", None),
    ("BF16", 2, "<u2", None),
    ("FP32", 4, "<f4", "fp32_contents"),
    ("FP64", 8, "<f8", "fp64_contents"),
    ("BYTES", None, "O", "bytes_contents"),
)
"""Source: Open Inference Protocol, gRPC, "Tensor Data" (BF16: KServe V2 required API)."""
