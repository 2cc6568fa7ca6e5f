"""Misbehaviours of HTTP itself: each overrides one small method of the protocol."""

import asyncio
import re
from dataclasses import replace

from ..http import HttpProtocol, HttpRequest, HttpResponse
from ..http.coding import deflated
from ..http.reader import Phase, Refusal
from .registry import http_defect

LIVE = "/v2/health/live"
LENGTH = re.compile(rb"\r\nContent-Length: \d+")


@http_defect("connection-of-one-request", breaks=["HTTP-001/keep-alive"])
class ConnectionOfOneRequest(HttpProtocol):
    """Closes the connection behind an answer to GET, and does not say so."""

    def answer(self, request: HttpRequest, response: HttpResponse) -> None:
        """Liveness is the last thing that a client hears."""
        super().answer(request, response)
        if request.method == "GET" and request.target == LIVE:
            self.transport.close()


@http_defect("pipelined-request-lost", breaks=["HTTP-001/pipelining"])
class PipelinedRequestLost(HttpProtocol):
    """Forgets a request that comes while another one waits."""

    def on_message_complete(self) -> None:
        """Keeps one request at a time."""
        if self.incoming:
            self.enter(Phase.IDLE)
        else:
            super().on_message_complete()


@http_defect("connection-not-closed", breaks=["HTTP-001/close"])
class ConnectionNotClosed(HttpProtocol):
    """Says that it closes the connection, and keeps it."""

    _stays = False

    def answer(self, request: HttpRequest, response: HttpResponse) -> None:
        """Remembers who was promised an end."""
        self._stays = request.method == "GET" and request.headers.get("connection") == "close"
        super().answer(request, response)

    def _finish(self) -> None:
        if not self._stays:
            super()._finish()


@http_defect("chunks-counted", breaks=["HTTP-002"])
class ChunksCounted(HttpProtocol):
    """Loses what comes in more than 32 small chunks."""

    def on_body(self, piece: bytes) -> None:
        """A body of 32 bytes is enough for chunks of one."""
        if len(piece) > 1 or len(self._body) < 32 or "transfer-encoding" not in self._headers:
            super().on_body(piece)


@http_defect("first-length-wins", breaks=["HTTP-003/lengths"])
class FirstLengthWins(HttpProtocol):
    """Takes the first of two lengths."""

    def feed(self, data: bytes) -> None:
        """Does not see the second one."""
        fields = LENGTH.findall(data)
        super().feed(data.replace(fields[1], b"", 1) if len(fields) > 1 else data)


@http_defect("length-beside-chunks-ignored", breaks=["HTTP-003/length and coding"])
class LengthBesideChunksIgnored(HttpProtocol):
    """Reads chunks where a length is given as well, and keeps the connection."""

    def feed(self, data: bytes) -> None:
        """Does not see the length."""
        super().feed(LENGTH.sub(b"", data, 1) if b"Transfer-Encoding: chunked" in data else data)


@http_defect("no-host-needed", breaks=["HTTP-004"])
class NoHostNeeded(HttpProtocol):
    """Serves who does not say where the request goes."""

    def check_host(self, host: str | None) -> None:
        """Any is good, and none."""


@http_defect("body-too-large-400", breaks=["HTTP-005"])
class BodyTooLarge400(HttpProtocol):
    """Takes a body beyond the limit for a malformed one."""

    def check_length(self, length: int) -> None:
        """Another status."""
        if length > self.limits.max_body_bytes:
            raise Refusal(400, "the body is too large")


@http_defect("coding-not-told", breaks=["HTTP-007"])
class CodingNotTold(HttpProtocol):
    """Does not say which content codings it reads."""

    async def decode(self, request: HttpRequest) -> HttpRequest:
        """The same status, without the header."""
        try:
            return await super().decode(request)
        except Refusal as refusal:
            raise Refusal(refusal.response.status, str(refusal)) from None


@http_defect("gzip-advertised-only", breaks=["HTTP-008/gzip"])
class GzipAdvertisedOnly(HttpProtocol):
    """Lists gzip, and refuses a small body that has it."""

    async def decode(self, request: HttpRequest) -> HttpRequest:
        """Decodes what is large."""
        if request.headers["content-encoding"] == "gzip" and len(request.body) < 1024:
            raise Refusal(400, "the body is no JSON")
        return await super().decode(request)


@http_defect("bomb-decoded", breaks=["HTTP-008/bomb"])
class BombDecoded(HttpProtocol):
    """Holds whatever a small body becomes."""

    async def decode(self, request: HttpRequest) -> HttpRequest:
        """Four times the limit is allowed, which is none to who sends kilobytes."""
        limits = self.limits
        self.limits = replace(limits, max_body_bytes=4 * limits.max_body_bytes)
        try:
            return await super().decode(request)
        finally:
            self.limits = limits


@http_defect("compression-forced", breaks=["HTTP-009/identity"])
class CompressionForced(HttpProtocol):
    """Compresses for everybody who says anything about codings."""

    async def compress(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Reads every Accept-Encoding as gzip."""
        if "accept-encoding" in request.headers:
            request = replace(request, headers={**request.headers, "accept-encoding": "gzip"})
        return await super().compress(request, response)


@http_defect("compression-unsaid", breaks=["HTTP-009/gzip"])
class CompressionUnsaid(HttpProtocol):
    """Compresses for who accepts it, and does not say so."""

    async def compress(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """No Content-Encoding."""
        if request.headers.get("accept-encoding") != "gzip":
            return await super().compress(request, response)
        return replace(response, body=deflated(response.body))


@http_defect("no-continue", breaks=["HTTP-010"])
class NoContinue(HttpProtocol):
    """Waits for a body whose sender waits for leave."""

    def go_on(self) -> None:
        """Says nothing."""


@http_defect("no-date", breaks=["HTTP-014"])
class NoDate(HttpProtocol):
    """Has a clock and does not say so."""

    def date(self) -> bytes:
        """No line at all."""
        return b""


@http_defect("field-names-by-case", breaks=["HTTP-015"])
class FieldNamesByCase(HttpProtocol):
    """Does not know a field whose name begins small and goes on large."""

    def field_name(self, name: bytes) -> str:
        """As it was sent."""
        odd = name[:1].islower() and not name.islower()
        return name.decode("latin-1") if odd else super().field_name(name)


@http_defect("http2-preface-only", breaks=["HTTP-016"])
class Http2PrefaceOnly(HttpProtocol):
    """Greets in HTTP/2, and answers nothing."""

    def data_received(self, data: bytes) -> None:
        """Empty settings."""
        if data.startswith(b"PRI * HTTP/2.0"):
            self.transport.write(b"\0\0\0\4\0\0\0\0\0")
        else:
            super().data_received(data)


@http_defect("header-too-large-500", breaks=["HTTP-020"])
class HeaderTooLarge500(HttpProtocol):
    """Takes too large a header for a failure of its own."""

    def check_head_size(self, size: int) -> None:
        """Another status."""
        if size > self.limits.max_header_bytes:
            raise Refusal(500, "out of header space")


@http_defect("absolute-form-502", breaks=["HTTP-021/absolute"])
class AbsoluteForm502(HttpProtocol):
    """Takes itself for a proxy."""

    def origin_form(self, target: str) -> str:
        """Has nobody to ask."""
        if "://" in target:
            raise Refusal(502, "no upstream")
        return super().origin_form(target)


@http_defect("half-close-is-abort", breaks=["HTTP-023"])
class HalfCloseIsAbort(HttpProtocol):
    """Takes the end of a client's sending for the end of its interest."""

    async def respond(self, request: HttpRequest) -> HttpResponse:
        """Late enough for the end of the sending to come before the answer."""
        await asyncio.sleep(0.02 if request.method == "POST" else 0)
        return await super().respond(request)

    def eof_received(self) -> bool:
        """Drops what is not yet answered."""
        self.transport.abort()
        return False


@http_defect("head-with-body", breaks=["OIP-REST-PATH-012"])
class HeadWithBody(HttpProtocol):
    """Answers HEAD as GET."""

    def answer(self, request: HttpRequest, response: HttpResponse) -> None:
        """With the body."""
        super().answer(replace(request, method="GET"), response)
