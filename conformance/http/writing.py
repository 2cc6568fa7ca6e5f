"""Requests written by hand, and what comes back to them."""

import json
from dataclasses import replace
from typing import Any

from servespec.target.exchange import Exchange
from servespec.target.target import Target

from ..strategies import SCALAR, request

__all__ = ["LIVE", "chunked", "echoed", "post", "question"]

LIVE = "/v2/health/live"


def question(target: Target) -> bytes:
    """The JSON of an inference of `identity_fp32` with the one element 1.0."""
    x = target.fixture("identity_fp32").tensor("x")
    return json.dumps(request({**SCALAR, "name": x})).encode()


def post(target: Target, *fields: str) -> bytes:
    """The head of an inference of `identity_fp32`; `fields` say how its body is framed."""
    path = target.rest.infer_path("identity_fp32")
    return target.rest.head("POST", path, "Content-Type: application/json", *fields)


def chunked(body: bytes, size: int) -> bytes:
    """A body as chunks of at most `size` bytes, and the last chunk."""
    pieces = (body[start : start + size] for start in range(0, len(body), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def echoed(target: Target, exchange: Exchange) -> Any:
    """The elements with which `identity_fp32` answered, nested as its output."""
    names = target.fixture("identity_fp32").tensors
    return replace(exchange.must_succeed(), names=names).array("y").tolist()
