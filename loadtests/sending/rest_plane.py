"""The REST plane: bytes that were encoded beforehand, on a kept connection."""

import math
import select
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import gevent
import gevent.socket
import gevent.ssl
from gevent.monkey import get_original
from geventhttpclient.response import HTTPParseError, HTTPSocketResponse

from .generator import SAMPLED, Answer
from .heard import Heard
from .pacer import CLOCK
from .records import Fate

__all__ = ["RestMessage", "RestSender"]

_LONGEST_IDLE = 2.0  # seconds; servers close idle connections, few of them before 5 s
_LONGEST_OPENING = 1.0  # seconds, in which this one sends nothing
_BLOCK = 1 << 16
_POLL = get_original("select", "poll")  # gevent's own would let others run
_BUSY = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class RestMessage:
    """A request as it is sent; its number goes between the two parts, in X-Request-Id.

    Attributes:
        line: the request line.
        rest: the other lines of the head, and the body.
        poisoned: an error is the right answer.
        method: of the request line.
        is_answer: whether a status and a body are a right answer.
    """

    line: bytes
    rest: bytes
    poisoned: bool
    method: str
    is_answer: Callable[[int, bytes], bool]

    def numbered(self, number: int) -> bytes:
        """All bytes; a server's log tells requests apart by their number in the schedule."""
        return b"%b\r\nX-Request-Id: %d\r\n%b" % (self.line, number, self.rest)

    def fate(self, status: int, body: bytes) -> Fate:
        """What an answer is."""
        if self.poisoned != self.is_answer(status, body):
            return Fate.ANSWERED
        return Fate.REFUSED if status in _BUSY else Fate.FAILED


class RestSender:
    """Asks on one connection, which it opens anew where the last one cannot be used.

    Nothing is sent twice: what a client library repeats is not what was asked.

    Args:
        address: host and port.
        tls: by what it is encrypted; None: it is not.
        message: of a request, by its number.
        timeout: seconds for the whole of a request, opening a connection included.
        heard: when the loop last heard of an answer.
    """

    def __init__(
        self,
        address: tuple[str, int],
        tls: ssl.SSLContext | None,
        message: Callable[[int], RestMessage],
        timeout: float,
        heard: Heard,
    ) -> None:
        self._address = address
        self._tls = tls
        self._message = message
        self._timeout = timeout
        self._heard = heard
        self._socket: socket.socket | None = None
        self._used = 0.0

    def send(self, number: int) -> Answer:
        """Send a request and read its whole answer."""
        message = self._message(number)
        sent = first = math.nan
        try:
            with gevent.Timeout(self._timeout):
                connection = self._connected()
                connection.sendall(message.numbered(number))
                sent = CLOCK()
                response = HTTPSocketResponse(connection, _BLOCK, message.method)
                first = self._heard.since(sent)
                at_once = response.message_complete
                body = response.read()
        except (OSError, HTTPParseError, gevent.Timeout):
            self.close()
            return Answer(sent, first, CLOCK(), -1, Fate.LOST)
        self._used = first if at_once else CLOCK()
        if response.should_close():
            self.close()
        status = response.get_code()
        fate = message.fate(status, body)
        timing = "" if number % SAMPLED else _timing(response)
        return Answer(sent, first, self._used, status, fate, timing)

    def prepare(self) -> None:
        """Open a connection, so that the next request does not wait for it; raises nothing."""
        with (
            suppress(OSError, gevent.Timeout),
            gevent.Timeout(min(self._timeout, _LONGEST_OPENING)),
        ):
            self._connected()

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connected(self) -> socket.socket:
        kept = self._socket
        if kept is not None and (CLOCK() - self._used > _LONGEST_IDLE or _is_readable(kept)):
            self.close()
        if self._socket is None:
            opened = gevent.socket.create_connection(self._address)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                opened = self._tls.wrap_socket(opened, server_hostname=self._address[0])
            self._socket, self._used = opened, CLOCK()
        return self._socket


def _is_readable(idle: socket.socket) -> bool:
    """Whether the server has closed it meanwhile, or sent what nobody asked for."""
    poll = _POLL()
    poll.register(idle.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _timing(response: HTTPSocketResponse) -> str:
    """What the server says of its own time, in one or several headers."""
    told = response.get("server-timing", "")
    return told if isinstance(told, str) else ", ".join(told or ())
