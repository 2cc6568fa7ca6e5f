"""What a target must refuse: requests that are wrong in one way each, written by hand."""

from collections.abc import Mapping
from typing import Any

from .strategies import SCALAR, JsonObject, tensor

__all__ = ["BROKEN_JSON", "MALFORMED", "MISNESTED", "NOT_ARRAYS", "NO_REQUESTS", "written"]

MALFORMED: Mapping[str, JsonObject] = {
    "no inputs": {"id": "1"},
    "inputs is an object": {"inputs": SCALAR},
    "an input is a number": {"inputs": [3]},
    "a name is a number": {"inputs": [{**SCALAR, "name": 3}]},
    "a shape is a string": {"inputs": [{**SCALAR, "shape": "1, 1"}]},
    "a datatype is a list": {"inputs": [{**SCALAR, "datatype": ["FP32"]}]},
    "too few elements": {"inputs": [tensor("x", "FP32", [2, 2], [1.0, 2.0, 3.0])]},
    "another datatype": {"inputs": [tensor("x", "BYTES", [1, 1], ["one"])]},
    "outputs is a number": {"inputs": [SCALAR], "outputs": 3},
    "an output without a name": {"inputs": [SCALAR], "outputs": [{}]},
}
"""JSON objects that are no inference of `identity_fp32`."""

BROKEN_JSON = (b"{", b'{"inputs": [', b'{"inputs": [}', b'{"inputs": [],}', b"inputs")
"""Bodies that are no JSON: truncated or malformed."""

NO_REQUESTS = (b"null", b"[]", b"3", b'"inputs"')
"""Bodies that are JSON, but no object."""

MISNESTED: tuple[list[Any], ...] = ([[1.0], [2.0, 3.0, 4.0]], [[[1.0, 2.0], [3.0, 4.0]]])
"""Four elements whose nesting is not that of the shape [2, 2]: ragged, and too deep."""

NOT_ARRAYS: tuple[Any, ...] = (5.0, "5", {}, {"0": 5.0}, True)
"""What cannot be the `data` of a tensor."""


def written(name: str, datatype: str, shape: list[int], data: str) -> bytes:
    """A request whose `data` is this text, JSON or not. `name` is the target's."""
    head = f'"name": "{name}", "datatype": "{datatype}", "shape": {shape}'
    return f'{{"inputs": [{{{head}, "data": {data}}}]}}'.encode("utf-8", "surrogatepass")
