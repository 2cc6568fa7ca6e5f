"""One connection: requests answered in order, one at a time, each answer in a single write."""

import asyncio
import logging
import time
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from math import inf
from typing import cast

from . import coding
from .messages import Handler, HttpLimits, HttpRequest, HttpResponse, error_response
from .reader import Incoming, Phase, Refusal, RequestReader

__all__ = ["CLIENT_LEFT", "Connections", "HttpProtocol", "Observer", "ProtocolFactory"]

log = logging.getLogger(__name__)

STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}
CONTINUE = STATUS_LINES[100] + b"\r\n"
CLOSE = b"Connection: close\r\n"
KEEP_ALIVE = b"Connection: keep-alive\r\n"
BODILESS = (204, 304)
LARGE = 64 * 2**10  # bytes from which a body is not copied behind its head
COMPRESSIBLE = ("application/json", "text/")
TURNED_AWAY = 256  # connections beyond the most that are told so; more are closed without a word
GIVEN_UP = "the request was given up: the server is shutting down"
CLIENT_LEFT = 499
"""Stands for the status of a request whose client left before its answer; never sent."""

Observer = Callable[[HttpRequest, int], None]
"""Hears once of each request how it ended: the status of its answer, or `CLIENT_LEFT`."""


@dataclass
class Connections:
    """The open connections of a server, and what it wants of them.

    Attributes:
        closing: each answer is the last one of its connection.
        refusing: requests that begin now are late.
        observe: hears how each request ended.
    """

    open: "set[HttpProtocol]" = field(default_factory=set)
    closing: bool = False
    refusing: bool = False
    observe: Observer = lambda _request, _status: None


class HttpProtocol(RequestReader, asyncio.Protocol):
    """Reads requests, asks the handler, writes the answers."""

    def __init__(self, handler: Handler, limits: HttpLimits, connections: Connections) -> None:
        super().__init__(limits)
        self.handler = handler
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._asked: HttpRequest | None = None
        self._deadline = inf
        self._writable = True
        self._paused = False
        self._ended = False
        self._dropped = 0
        self._unsent = 0

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self.transport = cast(asyncio.Transport, transport)
        surplus = len(self._connections.open) - self.limits.max_connections
        self._connections.open.add(self)
        self.enter(Phase.IDLE)
        if surplus >= TURNED_AWAY:
            self.transport.abort()
        elif surplus >= 0:
            text = f"more than {self.limits.max_connections} connections"
            self.refuse(Refusal(503, text, (("Retry-After", "1"),)))
            self._advance()

    def data_received(self, data: bytes) -> None:
        """Read on; after the end drop what comes, up to a bound."""
        if self.phase is Phase.OVER:
            self._dropped += len(data)
            if self._dropped > self.limits.linger_bytes:
                self.transport.close()
            return
        self.feed(data)
        self._advance()

    def eof_received(self) -> bool:
        """The client sends nothing more, but may still read."""
        self._ended = True
        if self.phase in (Phase.HEAD, Phase.BODY):
            self.refuse(Refusal(400, "the request ends before it is complete"))
        self.enter(Phase.OVER)
        self._advance()
        return self._task is not None or bool(self.incoming)

    def pause_writing(self) -> None:
        """The client does not read: start on nothing new."""
        self._writable = False
        self.enter(self.phase)

    def resume_writing(self) -> None:
        """The client reads again."""
        self._writable = True
        self.enter(self.phase)
        self._advance()

    def connection_lost(self, _exc: Exception | None) -> None:
        """The client is gone, and with it the interest in its answers."""
        self._connections.open.discard(self)
        if self._task is not None and self._asked is not None:
            self._task.cancel()
            self._connections.observe(self._asked, CLIENT_LEFT)
        while self.incoming:
            self._connections.observe(self.incoming.popleft().request, CLIENT_LEFT)
        self.forget()

    # What the server calls.

    @property
    def active(self) -> bool:
        """Whether a request that is not late is being read, worked on or answered."""
        return (
            (self._asked is not None and not self._asked.late)
            or any(not incoming.request.late for incoming in self.incoming)
            or (self.phase in (Phase.HEAD, Phase.BODY) and not self.late)
            or self.transport.get_write_buffer_size() > 0
        )

    def check(self, now: float) -> None:
        """End what takes too long."""
        if now >= self._deadline:
            self.expired(now)

    def retire(self) -> None:
        """Take no further request: close at once, or behind the answers that are due."""
        if self._task is None and not self.incoming and self.phase is Phase.IDLE:
            self.transport.close()
        elif self.phase is Phase.IDLE:
            self.enter(Phase.OVER)

    def abandon(self) -> None:
        """Answer what is unfinished with 503."""
        if self.phase in (Phase.HEAD, Phase.BODY):
            self.refuse(Refusal(503, GIVEN_UP))
        elif self._task is not None or self.incoming:
            self.enter(Phase.OVER)
        waiting = [incoming.request for incoming in self.incoming]
        self.incoming = deque(Incoming(request, Refusal(503, GIVEN_UP)) for request in waiting)
        if self._task is not None:
            self._task.cancel()
        else:
            self._advance()

    # Reading.

    def on_message_begin(self) -> None:
        """A request begins: in time, or late."""
        super().on_message_begin()
        self.late = self._connections.refusing

    def enter(self, phase: Phase) -> None:
        """Wait for something else, but not for ever."""
        self.phase = phase
        limits = self.limits
        if not self._writable:
            self._deadline = self._loop.time() + limits.write_timeout
        elif phase is Phase.HEAD:
            self._deadline = self._loop.time() + limits.header_timeout
        elif phase is Phase.BODY:
            self._deadline = self._loop.time() + limits.body_timeout
        elif self.incoming or self._task is not None:
            self._deadline = inf  # it is the handler's turn
        elif phase is Phase.IDLE:
            self._deadline = self._loop.time() + limits.idle_timeout
        else:
            self._deadline = self._loop.time() + limits.linger_timeout

    def on_body(self, piece: bytes) -> None:
        """A part of the body: it earns time for the next one."""
        super().on_body(piece)
        self._deadline += len(piece) / self.limits.body_rate

    def expired(self, now: float) -> None:
        """The deadline is over: for the client's reading, for its request, or for its silence."""
        unsent = self.transport.get_write_buffer_size()
        if unsent and unsent != self._unsent:
            self._unsent = unsent
            self._deadline = now + self.limits.write_timeout
        elif unsent:
            self.transport.abort()
        elif self.phase in (Phase.HEAD, Phase.BODY):
            self.refuse(Refusal(408, "timed out waiting for the rest of the request"))
            self._advance()
        else:
            self.transport.close()

    # Answering.

    def _advance(self) -> None:
        """Start on the next request, if the last one is answered and its answer taken."""
        while self.incoming and self._task is None and self._writable:
            incoming = self.incoming.popleft()
            if incoming.refusal is not None:
                self.answer(incoming.request, incoming.refusal.response)
            else:
                self._asked = incoming.request
                self._task = self._loop.create_task(self._serve(incoming.request))
        if self.awaits_continue and self._task is None and not self.incoming:
            self.awaits_continue = False
            self.go_on()
        if bool(self.incoming) is not self._paused:
            self._pause(bool(self.incoming))

    def _pause(self, paused: bool) -> None:
        """Read nothing more while a complete request waits for its turn."""
        self._paused = paused
        if not self._ended and not self.transport.is_closing():
            (self.transport.pause_reading if paused else self.transport.resume_reading)()

    def go_on(self) -> None:
        """Ask for the body of a request that expects 100-continue."""
        self.transport.write(CONTINUE)

    async def _serve(self, request: HttpRequest) -> None:
        try:
            self.answer(request, await self.respond(request))
        except Refusal as refusal:
            self.answer(request, refusal.response)
        except asyncio.CancelledError:
            if self.transport.is_closing():
                raise
            self.answer(request, error_response(503, GIVEN_UP))
        except Exception:
            log.exception("%s %s failed", request.method, request.target)
            self.answer(request, error_response(500, "internal server error"))
        self._advance()

    async def respond(self, request: HttpRequest) -> HttpResponse:
        """The handler's answer, behind the content codings."""
        if "content-encoding" in request.headers:
            request = await self.decode(request)
        response = await self.handler(request)
        if len(response.body) >= self.limits.compress_from:
            response = await self.compress(request, response)
        return response

    async def decode(self, request: HttpRequest) -> HttpRequest:
        """Free the body of its content coding, within the limit of any body."""
        name = request.headers["content-encoding"].lower()
        limit = self.limits.max_body_bytes
        try:
            body = await self._loop.run_in_executor(
                None, coding.inflated, name, request.body, limit
            )
        except LookupError:
            accepted = ("Accept-Encoding", coding.CODINGS)
            text = f"Content-Encoding: expected {coding.CODINGS}"
            raise Refusal(415, text, (accepted,)) from None
        except coding.Overflow:
            raise Refusal(413, f"the decoded body exceeds {limit} bytes") from None
        except zlib.error as error:
            raise Refusal(400, f"Content-Encoding {name}: {error}") from None
        return replace(request, body=body)

    async def compress(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Compress what shrinks, for those who accept it; in a thread, as it takes its time."""
        names = {name.lower(): value for name, value in response.headers}
        media_type = names.get("content-type", "").lower()
        if "content-encoding" in names or not media_type.startswith(COMPRESSIBLE):
            return response
        headers = (*response.headers, ("Vary", "Accept-Encoding"))
        body = response.body
        if coding.accepts_gzip(request.headers.get("accept-encoding", "")):
            body = await self._loop.run_in_executor(None, coding.deflated, body)
            headers = (*headers, ("Content-Encoding", "gzip"))
        return HttpResponse(response.status, body, headers)

    def answer(self, request: HttpRequest, response: HttpResponse) -> None:
        """Write the answer; after the last one end the connection."""
        if self._connections.closing and self.phase is Phase.IDLE:
            self.phase = Phase.OVER
        last = self.phase is Phase.OVER and not self.incoming
        head = self.encode_head(request, response, last)
        body = b"" if request.method == "HEAD" or response.status in BODILESS else response.body
        if len(body) < LARGE:
            self.transport.write(head + body)
        else:
            self.transport.writelines((head, body))
        self._task = self._asked = None
        self._connections.observe(request, response.status)
        if last:
            self._finish()
        elif self.phase is Phase.IDLE:
            self.enter(Phase.IDLE)  # the client's time begins

    def _finish(self) -> None:
        """End the sending, then wait for the client to end: closing at once could reset it."""
        self.enter(Phase.OVER)
        if self._ended:
            self.transport.close()
        else:
            self.transport.write_eof()

    def encode_head(self, request: HttpRequest, response: HttpResponse, last: bool) -> bytes:
        """The status line and the header fields."""
        length = b"Content-Length: %d\r\n" % len(response.body)
        return b"%b%b%b%b%b\r\n" % (
            STATUS_LINES[response.status],
            self.date(),
            header_lines(response.headers),
            b"" if response.status in BODILESS else length,
            self.connection(request, last),
        )

    def date(self) -> bytes:
        """The Date header."""
        return _date_line(int(time.time()))

    def connection(self, request: HttpRequest, last: bool) -> bytes:
        """The Connection header; HTTP/1.0 wants to be told that it may stay."""
        if last:
            return CLOSE
        asked = request.headers.get("connection")
        return KEEP_ALIVE if asked is not None and "keep-alive" in asked.lower() else b""


ProtocolFactory = Callable[[Handler, HttpLimits, Connections], HttpProtocol]


@lru_cache(maxsize=1)
def _date_line(second: int) -> bytes:
    return f"Date: {formatdate(second, usegmt=True)}\r\n".encode()


def header_lines(headers: tuple[tuple[str, str], ...]) -> bytes:
    """Header fields as bytes; refuses a value that would end the line."""
    for name, value in headers:
        if "\r" in value or "\n" in value or "\0" in value:
            raise ValueError(f"the value of the header {name} holds a line break")
    return "".join(f"{name}: {value}\r\n" for name, value in headers).encode("latin-1")
