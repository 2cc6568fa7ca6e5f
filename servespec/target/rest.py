"""The REST plane: single exchanges with httpx, bytes written by hand over raw sockets."""

import base64
import contextlib
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import httpx

from .answers import uncoded
from .binding import FixtureBinding
from .connection import Connection, Tls
from .evidence import Journal
from .exchange import Exchange, Headers, Request, RequestBytes, WireExchange
from .outcomes import Nonconformance

__all__ = ["RestPlane"]

_JSON = "application/json"
_LINGER = 0.2  # seconds in which a close that was not announced is still noticed
_THREADS = 32


class RestPlane:
    """Asks the target over HTTP/1.1.

    `hosted` finds what a fixture is called on the target; `headers` go with every request.

    Attributes:
        origin: scheme, host and port, such as `http://localhost:8000`.
        journal: where exchanges are kept as evidence.
    """

    def __init__(
        self,
        url: str,
        *,
        hosted: Callable[[str], FixtureBinding],
        journal: Journal,
        headers: Mapping[str, str],
        tls: Tls | None,
    ) -> None:
        parts = urlsplit(url)
        self.host = parts.hostname or ""
        self.port = parts.port or (443 if parts.scheme == "https" else 80)
        host = f"[{self.host}]" if ":" in self.host else self.host
        self.authority = f"{host}:{self.port}"
        self.origin = f"{parts.scheme}://{self.authority}"
        self._prefix = parts.path.rstrip("/")
        self._hosted = hosted
        self.journal = journal
        self._headers = {**_basic(parts), **headers}
        self._trust = tls

    def close(self) -> None:
        """Close the kept connections."""
        self._pool.close()

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Exchange:
        """GET a path such as `/v2/health/live`."""
        return self.request("GET", path, headers=headers)

    def post(
        self,
        path: str,
        body: bytes | Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        *,
        timeout: float = 10.0,
        fresh: bool = False,
    ) -> Exchange:
        """POST a body; it announces JSON unless `headers` say otherwise."""
        return self.request(
            "POST",
            path,
            headers=_with_type(headers),
            body=body if isinstance(body, bytes) else _encode(body),
            timeout=timeout,
            fresh=fresh,
        )

    def infer(
        self,
        fixture: str,
        body: bytes | Mapping[str, Any],
        *,
        version: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 10.0,
        fresh: bool = False,
    ) -> Exchange:
        """POST an inference. In a mapping the fixture's tensor names become the target's."""
        binding = self._hosted(fixture)
        return self.request(
            "POST",
            self.infer_path(fixture, version),
            headers=_with_type(headers),
            body=_content(body, binding),
            timeout=timeout,
            fresh=fresh,
            names=binding.tensors,
        )

    def message(
        self,
        fixture: str,
        body: bytes | Mapping[str, Any],
        *,
        version: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> RequestBytes:
        """The inference that `infer` would POST as bytes, to be sent together with others."""
        binding = self._hosted(fixture)
        path = self.infer_path(fixture, version)
        question = self._question("POST", path, _with_type(headers), _content(body, binding))
        target = question.extensions["target"]
        fields = [b"%b: %b" % field for field in question.headers.raw]
        head = b"\r\n".join((b"POST %b HTTP/1.1" % target, *fields, b"", b""))
        return RequestBytes(head + question.content, self._request(question), binding.tensors)

    def model_metadata(self, fixture: str) -> Exchange:
        """GET what the target says of a fixture."""
        return self.get(self.model_path(fixture))

    def model_path(self, fixture: str, version: str | None = None) -> str:
        """The path of a fixture's model; `version` None: the configured one, "" for none."""
        return self._hosted(fixture).path(version)

    def infer_path(self, fixture: str, version: str | None = None) -> str:
        """The path where a fixture is inferred."""
        return f"{self.model_path(fixture, version)}/infer"

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = 10.0,
        fresh: bool = False,
        names: Mapping[str, str] | None = None,
    ) -> Exchange:
        """Ask once and read the whole answer; no redirect is followed.

        `path` goes into the request line as it is. Within `timeout` seconds the body must be
        complete; before it no pause may be that long. `fresh`: on a connection of its own.
        `names`: the target's tensor names by the fixture's, for reading outputs.
        """
        question = self._question(method, path, headers, body)
        if fresh:
            transport = self._transport()
            with contextlib.closing(transport):
                exchange = self._asked(transport, question, timeout, may_repeat=False)
        else:
            exchange = self._asked(self._pool, question, timeout, may_repeat=True)
        exchange = replace(exchange, names=names or {})
        self.journal.saw(exchange)
        return exchange

    def together(self, calls: Sequence[Callable[[], Exchange]]) -> list[Exchange]:
        """Make calls at the same time, at most 32 of them; their answers in the calls' order."""
        with ThreadPoolExecutor(min(_THREADS, max(1, len(calls)))) as threads:
            return list(threads.map(lambda call: call(), calls))

    def connect(self, *, timeout: float = 5.0) -> Connection:
        """Open a raw connection, to be closed by the caller."""
        try:
            opened = self.dial(timeout)
        except OSError as error:
            self.journal.must_live(f"connect to {self.origin}")
            raise Nonconformance(f"no connection to {self.origin}: {error}") from None
        return Connection(opened, self.origin, self.journal.saw)

    def dial(self, timeout: float) -> socket.socket:
        """Open a socket to the target that sends without delay, with TLS where it is spoken.

        Raises:
            OSError: it could not be opened.
        """
        opened = socket.create_connection((self.host, self.port), timeout)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls is not None:
            return self.tls.wrap_socket(opened, server_hostname=self.host)
        return opened

    def head(self, method: str, path: str, *fields: str) -> bytes:
        """The head of a request to be sent by hand: with Host and authentication, then `fields`."""
        common = [f"{name}: {value}" for name, value in self._headers.items()]
        lines = [f"{method} {self._prefix}{path} HTTP/1.1", f"Host: {self.authority}", *common]
        return "".join(f"{line}\r\n" for line in (*lines, *fields, "")).encode()

    def wire(
        self,
        data: bytes | Sequence[bytes],
        *,
        answers: int = 1,
        half_close: bool = False,
        timeout: float = 5.0,
    ) -> WireExchange:
        """Send bytes as they are on a fresh connection and read what comes back.

        Args:
            data: all bytes at once, or pieces that are sent one after the other.
            answers: how many final answers to wait for; unasked ones are read as well.
            half_close: close our sending side after the data.
            timeout: seconds for each answer.
        """
        started = time.monotonic()
        with self.connect(timeout=timeout) as connection:
            for piece in (data,) if isinstance(data, bytes) else data:
                connection.send(piece, timeout=timeout)
            if half_close:
                connection.half_close()
            read = list(_answers(connection, answers, timeout))
        return WireExchange(
            request=Request("", self.origin, body=bytes(connection.sent)),
            answers=tuple(one for one in read if one.status >= 200),
            interim=tuple(one for one in read if 100 <= one.status < 200),
            closed=connection.closed,
            reset=connection.reset,
            raw=connection.received,
            seconds=time.monotonic() - started,
            failure=next((one for one in read if one.failure is not None), None),
        )

    @cached_property
    def tls(self) -> ssl.SSLContext | None:
        """How TLS is spoken; None: it is not."""
        return (self._trust or Tls()).context() if self.origin.startswith("https:") else None

    @cached_property
    def _pool(self) -> httpx.HTTPTransport:
        return self._transport()

    def _transport(self) -> httpx.HTTPTransport:
        return httpx.HTTPTransport(
            verify=self.tls or False,
            trust_env=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=_THREADS),
        )

    def _question(
        self, method: str, path: str, headers: Mapping[str, str] | None, body: bytes | None
    ) -> httpx.Request:
        fields = {"User-Agent": "servespec", **self._headers, **(headers or {})}
        target = f"{self._prefix}{path}".encode()
        return httpx.Request(
            method,
            self.origin,
            headers=[(name.encode(), value.encode()) for name, value in fields.items()],
            content=body,
            extensions={"target": target},
        )

    def _asked(
        self,
        transport: httpx.HTTPTransport,
        question: httpx.Request,
        timeout: float,
        *,
        may_repeat: bool,
    ) -> Exchange:
        """Ask; a kept connection that the target had closed meanwhile is replaced once.

        That is a property of HTTP (RFC 9112, 9.3.1): an idle connection may be closed at any
        time. It never happens on a fresh connection, nor after a byte of the answer.
        """
        seen: list[str] = []
        question.extensions |= {
            "timeout": dict.fromkeys(("connect", "read", "write", "pool"), timeout),
            "trace": lambda event, _: seen.append(event),
        }
        started = time.monotonic()
        request = self._request(question)
        try:
            return _read(transport.handle_request(question), request, started, timeout)
        except (httpx.TimeoutException, TimeoutError):
            failure = f"no answer within {timeout:g} s"
        except (httpx.NetworkError, httpx.RemoteProtocolError, httpx.DecodingError) as error:
            failure = str(error) or type(error).__name__
            reused = "connection.connect_tcp.started" not in seen
            answered = "http11.receive_response_headers.complete" in seen
            if may_repeat and reused and not answered and _is_closed(error):
                transport = self._transport()
                with contextlib.closing(transport):
                    again = self._asked(transport, question, timeout, may_repeat=False)
                return replace(again, note="the kept connection was closed; asked on a fresh one")
        return Exchange(request, seconds=time.monotonic() - started, failure=failure)

    def _request(self, question: httpx.Request) -> Request:
        return Request(
            question.method,
            f"{self.origin}{question.extensions['target'].decode()}",
            _decoded(question.headers),
            question.content,
        )


def _read(response: httpx.Response, request: Request, started: float, timeout: float) -> Exchange:
    coded = bytearray()
    with contextlib.closing(response):
        for chunk in _stream(response):
            coded += chunk
            if time.monotonic() - started > timeout:
                raise TimeoutError
    headers = _decoded(response.headers)
    seconds = time.monotonic() - started
    body = uncoded(headers, bytes(coded))
    return Exchange(request, response.status_code, headers, body, bytes(coded), seconds)


def _stream(response: httpx.Response) -> Iterator[bytes]:
    assert isinstance(response.stream, httpx.SyncByteStream)
    return iter(response.stream)


def _answers(connection: Connection, wanted: int, timeout: float) -> Iterator[Exchange]:
    """The answers that are waited for, then those that come unasked until silence or the end."""
    head = connection.sent.startswith(b"HEAD ")
    finals = 0
    closing = False
    while finals < wanted or connection.has_more(timeout if closing else _LINGER):
        exchange = connection.recv_answer(timeout=timeout, head=head)
        yield exchange
        if exchange.failure is not None:
            return
        finals += exchange.status >= 200
        closing = "close" in (exchange.header("Connection") or "").lower()


def _basic(url: SplitResult) -> dict[str, str]:
    if url.username is None:
        return {}
    credentials = f"{unquote(url.username)}:{unquote(url.password or '')}".encode()
    return {"Authorization": f"Basic {base64.b64encode(credentials).decode()}"}


def _is_closed(error: Exception) -> bool:
    """Whether the connection ended, in contrast to an answer that is no HTTP."""
    return isinstance(error, httpx.NetworkError) or "disconnected" in str(error)


def _renamed(body: Mapping[str, Any], binding: FixtureBinding) -> dict[str, Any]:
    return {
        key: [_entry(entry, binding) for entry in value]
        if key in ("inputs", "outputs") and isinstance(value, list | tuple)
        else value
        for key, value in body.items()
    }


def _entry(entry: Any, binding: FixtureBinding) -> Any:
    if isinstance(entry, Mapping) and isinstance(entry.get("name"), str):
        return {**entry, "name": binding.tensor(entry["name"])}
    return entry


def _content(body: bytes | Mapping[str, Any], binding: FixtureBinding) -> bytes:
    return body if isinstance(body, bytes) else _encode(_renamed(body, binding))


def _encode(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, allow_nan=False).encode()


def _with_type(headers: Mapping[str, str] | None) -> dict[str, str]:
    given = dict(headers or {})
    if not any(name.lower() == "content-type" for name in given):
        given["Content-Type"] = _JSON
    return given


def _decoded(headers: httpx.Headers) -> Headers:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers.raw)
