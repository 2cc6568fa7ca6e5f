"""What a target must accept: well-formed requests, and values for every datatype."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

__all__ = ["SCALAR", "binary_request", "ids", "request", "tensor"]

JsonObject = dict[str, Any]


def tensor(
    name: str, datatype: str, shape: Sequence[int], data: Sequence[Any], **more: Any
) -> JsonObject:
    """An input as it stands in a JSON request."""
    return {"name": name, "datatype": datatype, "shape": list(shape), "data": list(data), **more}


def request(*inputs: Mapping[str, Any], **more: Any) -> JsonObject:
    """A JSON inference request."""
    return {"inputs": list(inputs), **more}


def binary_request(
    name: str, datatype: str, shape: Sequence[int], raw: bytes, **more: Any
) -> dict[str, Any]:
    """The arguments of `infer` for one input as binary data. `name` is the target's."""
    size = {"binary_data_size": len(raw)}
    x = {"name": name, "datatype": datatype, "shape": list(shape), "parameters": size}
    head = json.dumps(request(x, **more)).encode()
    headers = {
        "Content-Type": "application/octet-stream",
        "Inference-Header-Content-Length": str(len(head)),
    }
    return {"body": head + raw, "headers": headers}


SCALAR = tensor("x", "FP32", [1, 1], [1.0])
"""The smallest input of `identity_fp32`."""

ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64)
"""Names that a client may give its request: any Unicode text."""
