"""What a request looks like over HTTP, and what counts as its answer: one class a dialect.

Sans-IO: a dialect turns a request into a method, a path, fields and a body, once and beforehand.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from servespec.target.binding import FixtureBinding
from servespec.wire import rest as rest_codec
from servespec.wire.messages import InferRequest

__all__ = ["Dialect", "HttpRequest", "OpenInference", "is_success"]

_JSON = "application/json"
_OCTETS = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request before it has an address.

    Attributes:
        method: such as POST.
        path: below the address of the server, and its query.
        fields: of the head; those of the connection and of the framing are added when it is sent.
        body: all of it.
    """

    method: str
    path: str
    fields: Mapping[str, str]
    body: bytes


class Dialect(Protocol):
    """How a server wants to be asked."""

    def encode(self, request: InferRequest, number: int) -> HttpRequest:
        """Write a request; `number` tells it from the other questions of a workload."""

    def is_answer(self, status: int, body: bytes) -> bool:
        """Whether a complete answer is a right one."""


def is_success(status: int) -> bool:
    """Whether it is one of 200 to 299."""
    return 200 <= status < 300


@dataclass(frozen=True, slots=True)
class OpenInference:
    """The Open Inference Protocol; `binary`: inputs as raw bytes behind the JSON."""

    binary: bool

    def encode(self, request: InferRequest, _number: int) -> HttpRequest:
        """Write a request of ModelInfer."""
        body, length = rest_codec.encode_request(request, binary=self.binary)
        path = FixtureBinding(request.model_name, request.model_version).path()
        fields = {"Content-Type": _JSON if length is None else _OCTETS}
        if length is not None:
            fields["Inference-Header-Content-Length"] = str(length)
        return HttpRequest("POST", f"{path}/infer", fields, body)

    def is_answer(self, status: int, _body: bytes) -> bool:
        """Whether its status is a success: what it holds is the conformance suite's concern."""
        return is_success(status)
