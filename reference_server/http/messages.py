"""What is said over HTTP, free of sockets: requests, responses and the limits of a connection."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Handler", "HttpLimits", "HttpRequest", "HttpResponse", "error_response"]

JSON = ("Content-Type", "application/json")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request, read to its end.

    `target` is the path with its query, as sent (an absolute-form target without its authority).
    `headers` has lower-case names; a field that came twice is joined by ", ". `body` is free of
    transfer and content codings. `late`: it began when the server had asked for nothing more.
    `notes`: what its handler leaves for who observes how it ended.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""
    late: bool = False
    notes: dict[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One answer. Date, Content-Length, Connection and content codings are the protocol's."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


Handler = Callable[[HttpRequest], Awaitable[HttpResponse]]


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What clients may ask of a server, and one of a connection; times in seconds.

    A connection beyond `max_connections` is told so with 503 at once.
    A body may take `body_timeout` and one second more for each `body_rate` bytes of it. After the
    last answer the server reads and drops at most `linger_bytes` for `linger_timeout`, so that a
    client that is still sending can read the answer. Answers of `compress_from` bytes or more are
    compressed for clients that accept it.
    """

    max_connections: int = 10_000
    max_body_bytes: int = 64 * 2**20
    max_header_bytes: int = 32 * 2**10
    max_headers: int = 128
    header_timeout: float = 10.0
    body_timeout: float = 20.0
    body_rate: int = 64 * 2**10
    idle_timeout: float = 75.0
    write_timeout: float = 30.0
    linger_timeout: float = 2.0
    linger_bytes: int = 128 * 2**20
    compress_from: int = 1024


def error_response(
    status: int, text: str, headers: tuple[tuple[str, str], ...] = ()
) -> HttpResponse:
    """The error object of the protocol: `{"error": text}`."""
    return HttpResponse(status, json.dumps({"error": text}).encode(), (JSON, *headers))
