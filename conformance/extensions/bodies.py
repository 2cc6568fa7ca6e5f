"""Bodies of the binary tensor data extension: JSON, then blocks of bytes, all written by hand."""

import json
from collections.abc import Sequence
from typing import Any

from servespec.target.exchange import Exchange
from servespec.target.target import Target

from ..strategies import JsonObject, request

__all__ = ["LENGTH", "OCTETS", "ask", "block", "is_binary", "marked"]

LENGTH = "Inference-Header-Content-Length"
OCTETS = "application/octet-stream"


def marked(name: str, datatype: str, shape: Sequence[int], size: int) -> JsonObject:
    """An input whose data are `size` bytes behind the JSON."""
    parameters = {"binary_data_size": size}
    return {"name": name, "datatype": datatype, "shape": list(shape), "parameters": parameters}


def ask(
    target: Target,
    fixture: str,
    entries: Sequence[JsonObject],
    blocks: bytes,
    *,
    length: str | None = None,
    fresh: bool = False,
    **more: Any,
) -> Exchange:
    """Infer with `entries` in the JSON and `blocks` behind it, named as the fixture's tensors.

    `length`: another text than the JSON's true length for the header that tells it.
    """
    binding = target.fixture(fixture)
    inputs = [{**entry, "name": binding.tensor(entry["name"])} for entry in entries]
    if "outputs" in more:
        outputs = more["outputs"]
        more["outputs"] = [{**each, "name": binding.tensor(each["name"])} for each in outputs]
    head = json.dumps(request(*inputs, **more)).encode()
    headers = {"Content-Type": OCTETS, LENGTH: str(len(head)) if length is None else length}
    return target.rest.infer(fixture, head + blocks, headers=headers, fresh=fresh)


def block(exchange: Exchange) -> bytes:
    """What follows the JSON of an answer."""
    start = exchange.must_succeed().header_length()
    assert start is not None, f"the answer has no {LENGTH}"
    return exchange.body[start:]


def is_binary(exchange: Exchange, output: str) -> bool:
    """Whether an output of an answer came as bytes."""
    entry = exchange.must_succeed().output(output)
    return "data" not in entry and "binary_data_size" in (entry.get("parameters") or {})
