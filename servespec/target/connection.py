"""Raw connections: bytes written by hand, answers read leniently. Every wait is bounded."""

import contextlib
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from .answers import AnswerReader, Incoming
from .exchange import Exchange, Request

__all__ = ["Connection", "Tls"]


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


class Connection:
    """One connection to the target, held open for as long as a check wants.

    Attributes:
        sent: every byte that was sent.
    """

    def __init__(self, opened: socket.socket, url: str, seen: Callable[[Exchange], None]) -> None:
        self._socket = opened
        self._url = url
        self._seen = seen
        self._in = Incoming()
        self.sent = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def received(self) -> bytes:
        """Every byte that came."""
        return bytes(self._in.received)

    @property
    def closed(self) -> bool:
        """Whether the target closed it, in order or by a reset; known once a read has seen it."""
        return self._in.closed

    @property
    def reset(self) -> bool:
        """Whether it was a reset."""
        return self._in.reset

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
            self._in.reset = True
        except OSError:
            return

    def recv_answer(self, *, timeout: float = 5.0, head: bool = False) -> Exchange:
        """Read the next answer, interim (1xx) ones included; `head`: it has no body.

        An answer that does not come within `timeout` seconds is an exchange with a failure.
        """
        deadline = time.monotonic() + timeout
        reader = AnswerReader(self._in, Request("", self._url, body=bytes(self.sent)), head=head)
        while (exchange := reader.advance()) is None:
            try:
                self._receive(deadline)
            except TimeoutError:
                exchange = reader.failed(f"no answer within {timeout:g} s")
                break
        self._seen(exchange)
        return exchange

    def has_more(self, timeout: float) -> bool:
        """Whether bytes beyond the answers that were read are there, or come in time."""
        if not self.closed and not self._in.unread:
            with contextlib.suppress(TimeoutError):
                self._receive(time.monotonic() + timeout)
        return self._in.unread > 0

    def _receive(self, deadline: float) -> None:
        self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            self._in.feed(self._socket.recv(1 << 16))
        except TimeoutError:
            raise
        except OSError:
            self._in.feed_reset()
