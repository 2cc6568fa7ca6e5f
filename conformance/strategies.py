"""What a target must accept: well-formed requests, and values for every datatype."""

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

__all__ = ["SCALAR", "ids", "request", "tensor"]

JsonObject = dict[str, Any]


def tensor(
    name: str, datatype: str, shape: Sequence[int], data: Sequence[Any], **more: Any
) -> JsonObject:
    """An input as it stands in a JSON request."""
    return {"name": name, "datatype": datatype, "shape": list(shape), "data": list(data), **more}


def request(*inputs: Mapping[str, Any], **more: Any) -> JsonObject:
    """A JSON inference request."""
    return {"inputs": list(inputs), **more}


SCALAR = tensor("x", "FP32", [1, 1], [1.0])
"""The smallest input of `identity_fp32`."""

ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64)
"""Names that a client may give its request: any Unicode text."""
