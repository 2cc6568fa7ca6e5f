"""Raw connections: bytes written by hand, answers read leniently. Every wait is bounded."""

import contextlib
import re
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from .exchange import Exchange, Headers, Request

__all__ = ["Connection", "Tls", "uncoded"]

_STATUS_LINE = re.compile(rb"HTTP/\d\.\d (\d{3})(?: .*)?")
_BODILESS = frozenset({204, 304})
_LONGEST_LINE = 1 << 16


@dataclass(frozen=True, slots=True)
class Tls:
    """Whom to trust and who we are. Without `ca_file` the system's authorities are trusted."""

    ca_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """A client context that verifies the target."""
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.key)
        return context


def uncoded(headers: Headers, coded: bytes) -> bytes:
    """Undo the Content-Encoding of a body.

    Raises:
        httpx.DecodingError: the body is not coded as the header says.
    """
    codings = [(name, value) for name, value in headers if name.lower() == "content-encoding"]
    return httpx.Response(200, headers=codings, content=coded).content if codings else coded


class _NoAnswer(Exception):
    """Why no complete answer could be read."""


class Connection:
    """One connection to the target, held open for as long as a check wants.

    Attributes:
        sent: every byte that was sent.
        received: every byte that came.
        closed: the target closed it, in order or by a reset; known once a read has seen it.
        reset: it was a reset.
    """

    def __init__(self, opened: socket.socket, url: str, seen: Callable[[Exchange], None]) -> None:
        self._socket = opened
        self._url = url
        self._seen = seen
        self._taken = 0
        self.sent = bytearray()
        self.received = bytearray()
        self.closed = False
        self.reset = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close our side."""
        self._socket.close()

    def half_close(self) -> None:
        """Say that no more bytes follow, and stay ready to read."""
        with contextlib.suppress(OSError):
            # Past ssl's own shutdown, after which nothing could be read any more.
            socket.socket.shutdown(self._socket, socket.SHUT_WR)

    def send(self, data: bytes, *, timeout: float = 5.0) -> None:
        """Send bytes. A target that stops reading is no error here: its answer may be waiting."""
        self.sent += data
        self._socket.settimeout(timeout)
        try:
            self._socket.sendall(data)
        except ConnectionResetError:
            self.reset = True
        except OSError:
            return

    def recv_answer(self, *, timeout: float = 5.0, head: bool = False) -> Exchange:
        """Read the next answer, interim (1xx) ones included; `head`: it has no body.

        An answer that does not come within `timeout` seconds is an exchange with a failure.
        """
        started = time.monotonic()
        request = Request("", self._url, body=bytes(self.sent))
        begun = self._taken
        try:
            status, headers = self._head(started + timeout)
            coded = b"" if head else self._body(status, headers, started + timeout)
            exchange = Exchange(
                request,
                status,
                headers,
                uncoded(headers, coded),
                coded,
                time.monotonic() - started,
            )
        except (_NoAnswer, TimeoutError, httpx.DecodingError) as error:
            came = len(self.received) - begun
            why = f"no answer within {timeout:g} s" if isinstance(error, TimeoutError) else error
            where = f" ({came} bytes of one came)" if came else ""
            seconds = time.monotonic() - started
            exchange = Exchange(request, seconds=seconds, failure=f"{why}{where}")
        self._seen(exchange)
        return exchange

    def has_more(self, timeout: float) -> bool:
        """Whether bytes beyond the answers that were read are there, or come in time."""
        if not self.closed and self._taken == len(self.received):
            with contextlib.suppress(_NoAnswer, TimeoutError):
                self._more(time.monotonic() + timeout)
        return self._taken < len(self.received)

    def _head(self, deadline: float) -> tuple[int, Headers]:
        line = self._line(deadline)
        match = _STATUS_LINE.fullmatch(line)
        if match is None:
            raise _NoAnswer(f"{line[:80]!r} came, not an HTTP status line")
        headers = []
        while line := self._line(deadline):
            name, _, value = line.decode("latin-1").partition(":")
            headers.append((name, value.strip()))
        return int(match[1]), tuple(headers)

    def _body(self, status: int, headers: Headers, deadline: float) -> bytes:
        fields = {name.lower(): value for name, value in headers}
        if status < 200 or status in _BODILESS:
            return b""
        if "chunked" in fields.get("transfer-encoding", "").lower():
            return self._chunks(deadline)
        if "content-length" in fields:
            return self._take(_number(fields["content-length"], 10), deadline)
        while not self.closed:
            self._more(deadline, at_end=True)
        return self._take(len(self.received) - self._taken, deadline)

    def _chunks(self, deadline: float) -> bytes:
        body = bytearray()
        while size := _number(self._line(deadline).split(b";")[0].decode("latin-1"), 16):
            body += self._take(size, deadline)
            self._line(deadline)
        while self._line(deadline):  # trailer fields
            pass
        return bytes(body)

    def _line(self, deadline: float) -> bytes:
        while (end := self.received.find(b"\n", self._taken)) < 0:
            if len(self.received) - self._taken > _LONGEST_LINE:
                raise _NoAnswer(f"a line of more than {_LONGEST_LINE} bytes came")
            self._more(deadline)
        return self._take(end + 1 - self._taken, deadline).rstrip(b"\r\n")

    def _take(self, size: int, deadline: float) -> bytes:
        while len(self.received) - self._taken < size:
            self._more(deadline)
        self._taken += size
        return bytes(self.received[self._taken - size : self._taken])

    def _more(self, deadline: float, *, at_end: bool = False) -> None:
        """Receive once; `at_end`: the target may close the connection here."""
        self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            data = b"" if self.closed else self._socket.recv(1 << 16)
        except TimeoutError:
            raise
        except OSError:
            data, self.reset = b"", True
        self.received += data
        self.closed = not data
        if self.closed and (self.reset or not at_end):
            how = "reset" if self.reset else "closed"
            raise _NoAnswer(f"the target {how} the connection without an answer")


def _number(text: str, base: int) -> int:
    try:
        return int(text.strip(), base)
    except ValueError:
        raise _NoAnswer(f"{text[:80]!r} came where the length of the body was expected") from None
