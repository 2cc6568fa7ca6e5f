"""Bytes in, requests out: what llhttp reads, held against the limits and the rules of HTTP/1.1."""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from urllib.parse import urlsplit, urlunsplit

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser

from .messages import HttpLimits, HttpRequest, HttpResponse, error_response

__all__ = ["Incoming", "Phase", "Refusal", "RequestReader"]


class Phase(Enum):
    """What the reader waits for."""

    IDLE = "a request's first byte"
    HEAD = "the rest of a request's head"
    BODY = "the rest of a request's body"
    OVER = "nothing: what still comes is dropped"


class Refusal(Exception):
    """A request that is answered without asking the handler."""

    def __init__(self, status: int, text: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(text)
        self.response: HttpResponse = error_response(status, text, headers)


@dataclass(frozen=True, slots=True)
class Incoming:
    """What is to be answered: a request, or the refusal that ended the reading."""

    request: HttpRequest
    refusal: Refusal | None = None


class RequestReader:
    """Reads one connection's bytes; complete requests queue in `incoming`.

    The small methods below the callbacks each hold one rule, so that a subclass can break one.
    """

    def __init__(self, limits: HttpLimits) -> None:
        self.limits = limits
        self.phase = Phase.IDLE
        self.incoming: deque[Incoming] = deque()
        self.awaits_continue = False
        self.late = False
        self._parser = self.new_parser()
        self._start()

    def _start(self) -> None:
        self._method = ""
        self._target = b""
        self._headers: dict[str, str] = {}
        self._fields: list[tuple[bytes, bytes]] = []
        self._head_size = 0
        self._seen: tuple[int, int] | None = None
        self._unseen = 0
        self._body: bytes | bytearray = b""

    def forget(self) -> None:
        """Let go of what was read of a request: parser and reader hold each other for a while."""
        self._start()

    def feed(self, data: bytes) -> None:
        """Read on. A request that breaks a rule is queued as a refusal and ends the reading."""
        if self.phase is Phase.OVER:
            return
        try:
            self._parse(data)
        except Refusal as refusal:
            self.refuse(refusal)

    def refuse(self, refusal: Refusal) -> None:
        """Read nothing more, and queue the refusal behind what was read before."""
        self.awaits_continue = False
        begun = self.phase in (Phase.HEAD, Phase.BODY)
        target = self._target.decode("latin-1") if begun else ""
        # Before there is a target, what the parser holds is the method of the last request.
        method = self._parser.get_method().decode("ascii") if target else ""
        self.incoming.append(Incoming(HttpRequest(method, target, {}), refusal))
        self.enter(Phase.OVER)

    def _parse(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = self._parse_some(rest)
        if self.phase in (Phase.HEAD, Phase.BODY):
            self._bound_unseen(len(data))

    def _parse_some(self, data: memoryview) -> memoryview:
        """Parse, and return what follows an upgrade that was offered and declined."""
        rest = data[:0]
        try:
            self._parser.feed_data(data)
            return rest
        except HttpParserUpgrade as upgrade:
            rest = data[upgrade.args[0] :]
        except HttpParserCallbackError as error:
            raise error.__context__ or error from None
        except HttpParserError as error:
            if self.phase is Phase.OVER:
                return rest  # what follows `Connection: close` is not looked at
            raise self.malformed(error) from None
        self._parse_some(self._head_without_upgrade())
        return rest

    def _head_without_upgrade(self) -> memoryview:
        """Start the request again: llhttp took its body for another protocol's."""
        line = f"{self._method} {self._target.decode('latin-1')}"
        fields = "".join(f"{k}: {v}\r\n" for k, v in self._headers.items() if k != "upgrade")
        version = self._parser.get_http_version()
        self._parser = self.new_parser()
        return memoryview(f"{line} HTTP/{version}\r\n{fields}\r\n".encode("latin-1"))

    def _bound_unseen(self, received: int) -> None:
        """Bound a field or chunk header that never ends: llhttp keeps it to itself until then."""
        seen = len(self._fields), len(self._body)
        self._unseen = self._unseen + received if seen == self._seen else 0
        self._seen = seen
        self.check_head_size(self._unseen)

    # What llhttp calls.

    def on_message_begin(self) -> None:
        """A request begins."""
        self._start()
        self.enter(Phase.HEAD)

    def on_url(self, piece: bytes) -> None:
        """The target, or a part of it."""
        self._target += piece
        if len(self._target) > self.limits.max_header_bytes:
            raise Refusal(414, f"the target exceeds {self.limits.max_header_bytes} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field, or a trailer field, which is counted and not looked at."""
        self._fields.append((name, value))
        self._head_size += len(name) + len(value) + 4
        self.check_head_size(self._head_size)
        if len(self._fields) > self.limits.max_headers:
            raise Refusal(431, f"more than {self.limits.max_headers} header fields")

    def on_headers_complete(self) -> None:
        """The head is read: refuse what can be refused before the body."""
        self._method = self._parser.get_method().decode("ascii")
        self._take_fields()
        headers = self._headers
        if self._method == "CONNECT":
            raise Refusal(400, "CONNECT is for proxies, this is a server")
        if "upgrade" in headers and self._parser.should_upgrade():
            return
        self.check_host(headers.get("host"))
        if "transfer-encoding" in headers:
            self.check_transfer_coding(headers["transfer-encoding"])
        if "content-length" in headers:
            self.check_length(int(headers["content-length"]))
        if "expect" in headers:
            self.check_expectation(headers["expect"])
        self.enter(Phase.BODY)

    def _take_fields(self) -> None:
        headers = self._headers
        for raw_name, raw_value in self._fields:
            name = self.field_name(raw_name)
            value = raw_value.decode("latin-1").strip()
            headers[name] = self.joined(name, headers[name], value) if name in headers else value
        self.check_head_size(len(self._target) + self._head_size)

    def on_body(self, piece: bytes) -> None:
        """A part of the body, free of chunking."""
        self.awaits_continue = False
        if not self._body:
            self._body = piece
        else:  # not a list of pieces: they may be one byte each
            if not isinstance(self._body, bytearray):
                self._body = bytearray(self._body)
            self._body += piece
        self.check_length(len(self._body))

    def on_message_complete(self) -> None:
        """The request is read to its end."""
        if self.phase is not Phase.BODY:
            return  # an upgrade was offered
        self.awaits_continue = False
        target = self.origin_form(self._target.decode("latin-1"))
        request = HttpRequest(self._method, target, self._headers, bytes(self._body), self.late)
        self._body = b""
        self.incoming.append(Incoming(request))
        self.enter(Phase.IDLE if self._parser.should_keep_alive() else Phase.OVER)

    # One rule each.

    def new_parser(self) -> HttpRequestParser:
        """The strict parser."""
        return HttpRequestParser(self)

    def enter(self, phase: Phase) -> None:
        """Wait for something else."""
        self.phase = phase

    def malformed(self, error: HttpParserError) -> Refusal:
        """The answer to bytes that are no HTTP/1.1, to doubled and to ambiguous lengths."""
        return Refusal(400, f"malformed HTTP/1.1 request: {error}")

    def field_name(self, name: bytes) -> str:
        """Names of header fields do not depend on case."""
        return lower_case(name)

    def joined(self, name: str, first: str, value: str) -> str:
        """A field that comes twice is a list, except Host."""
        if name == "host":
            raise Refusal(400, "more than one Host header")
        return f"{first}, {value}"

    def check_head_size(self, size: int) -> None:
        """The head is bounded."""
        if size > self.limits.max_header_bytes:
            raise Refusal(431, f"the header exceeds {self.limits.max_header_bytes} bytes")

    def check_host(self, host: str | None) -> None:
        """HTTP/1.1 wants a Host."""
        if host is None and self._parser.get_http_version() == "1.1":
            raise Refusal(400, "no Host header")

    def check_transfer_coding(self, coding: str) -> None:
        """Only chunked, and not from HTTP/1.0, which has none: the framing would be a guess."""
        if coding.lower() != "chunked" or self._parser.get_http_version() != "1.1":
            raise Refusal(400, "Transfer-Encoding: expected chunked, on HTTP/1.1")

    def check_length(self, length: int) -> None:
        """The body is bounded: as declared, and as received."""
        if length > self.limits.max_body_bytes:
            raise Refusal(413, f"the body exceeds {self.limits.max_body_bytes} bytes")

    def check_expectation(self, expectation: str) -> None:
        """100-continue is the one expectation there is; HTTP/1.0 does not know it."""
        if expectation.lower() != "100-continue":
            raise Refusal(417, "Expect: only 100-continue can be met")
        self.awaits_continue = self._parser.get_http_version() == "1.1"

    def origin_form(self, target: str) -> str:
        """Path and query; `http://host/path` is the same as `/path`."""
        if target.startswith("/") or "://" not in target:
            return target
        try:
            url = urlsplit(target)
        except ValueError:
            raise Refusal(400, "the target is no URL") from None
        return urlunsplit(("", "", url.path or "/", url.query, ""))


@lru_cache(maxsize=512)
def lower_case(name: bytes) -> str:
    """The names are ever the same few."""
    return name.decode("latin-1").lower()
