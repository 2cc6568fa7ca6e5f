"""Many requests at the same moment: connections open and bytes encoded beforehand, one thread.

Clients of a library, one thread each, reach a server spread over 50 to 250 ms; these need a few.
"""

import selectors
import socket
import ssl
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from .answers import AnswerReader, Incoming
from .exchange import Exchange, RequestBytes
from .outcomes import Invalid
from .rest import RestPlane

__all__ = ["Pending", "Volley", "burst", "must_be_close", "open_burst", "read_all"]

_LATER = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: a close discards and resets


@dataclass(frozen=True, slots=True)
class Volley:
    """A burst and its answers, all in the order of the messages.

    Attributes:
        exchanges: where no complete answer came in time, one with a failure.
        sent: seconds from the first byte of the burst to the first byte of each request.
        done: seconds from there until each answer was complete, or was given up.
    """

    exchanges: tuple[Exchange, ...]
    sent: tuple[float, ...]
    done: tuple[float, ...]

    @property
    def spread(self) -> float:
        """Seconds between the first and the last request."""
        return max(self.sent, default=0.0)


class Pending:
    """A request on a connection of its own, whose answer is not read yet.

    Attributes:
        exchange: the answer, or why none came; None as long as neither is known.
        sent: when its first byte was sent, by `time.monotonic`.
        done: when `exchange` became known.
    """

    def __init__(self, plane: RestPlane, message: bytes) -> None:
        self._plane = plane
        self._message = RequestBytes.of(message, plane.origin)
        self._socket: socket.socket | None = None
        self._unsent = memoryview(message)
        self._in = Incoming()
        self._reader = AnswerReader(self._in, self._message.request)
        self.exchange: Exchange | None = None
        self.sent = self.done = 0.0

    def open(self, timeout: float) -> None:
        """Connect; a target that takes no connection is a failure of the exchange."""
        try:
            self._socket = self._plane.dial(timeout)
        except OSError as error:
            self._end(self._reader.failed(f"no connection to {self._plane.origin}: {error}"))
        else:
            self._socket.setblocking(False)

    def send(self) -> None:
        """Send as much as the system takes; the rest goes out while the answer is waited for."""
        self.sent = self._reader.started = time.monotonic()
        self._push()

    def progress(self) -> None:
        """Send and read what can be sent and read without waiting."""
        self._push()
        while self._socket is not None:
            try:
                self._in.feed(self._socket.recv(1 << 16))
            except _LATER:
                return
            except OSError:
                self._in.feed_reset()
            self._advance()

    def register(self, selector: selectors.BaseSelector) -> None:
        """Wait for what is to come next; for nothing when the end is known."""
        if self._socket is not None:
            writing = selectors.EVENT_WRITE if self._unsent else 0
            selector.register(self._socket, selectors.EVENT_READ | writing, self)

    def read(self, timeout: float = 10.0) -> Exchange:
        """Read the answer, or say why none came within `timeout` seconds from now."""
        if self.exchange is None:
            _await([self], timeout)
            self._plane.journal.saw(self.ended)
        return self.ended

    def begins(self, timeout: float) -> bool:
        """Whether the first byte of the answer comes in time. It is not read."""
        deadline = time.monotonic() + timeout
        with selectors.DefaultSelector() as selector:
            self.register(selector)
            while selector.get_map() and (left := deadline - time.monotonic()) > 0:
                for key, ready in selector.select(left):
                    if ready & selectors.EVENT_READ:
                        return True
                    self._push()
                    selector.unregister(key.fileobj)
                    self.register(selector)
        return False

    def abandon(self, *, reset: bool = False) -> None:
        """Leave without reading on, by a close in order or by a reset."""
        if self._socket is None:
            return
        if reset:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        how = "reset" if reset else "closed"
        note = f"the client {how} the connection before the answer was complete"
        seconds = time.monotonic() - self.sent
        self._end(Exchange(self._message.request, seconds=seconds, note=note))
        self._plane.journal.saw(self.ended)

    def give_up(self, why: str) -> None:
        """Wait no longer."""
        if self.exchange is None:
            self._end(self._reader.failed(why))

    @property
    def ended(self) -> Exchange:
        """The answer, or why none came, once either is known."""
        if self.exchange is None:
            raise RuntimeError("the answer was not read yet")
        return self.exchange

    def _push(self) -> None:
        """Send. A target that stops reading is no error: its answer may be waiting."""
        if self._socket is None or not self._unsent:
            return
        try:
            self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except _LATER:
            return
        except OSError:
            self._unsent = memoryview(b"")

    def _advance(self) -> None:
        exchange = self._reader.advance()
        while exchange is not None and 100 <= exchange.status < 200:  # interim
            started = self._reader.started
            self._reader = AnswerReader(self._in, self._message.request)
            self._reader.started = started
            exchange = self._reader.advance()
        if exchange is not None:
            self._end(self._message.named(exchange))

    def _end(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.done = time.monotonic()
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def burst(plane: RestPlane, messages: Sequence[bytes], *, timeout: float = 10.0) -> Volley:
    """Send all messages at once, each on a connection of its own, and read the answers.

    Nothing of the transport raises: what went wrong is the failure of its exchange.

    Args:
        plane: where to send them.
        messages: whole requests, as `RestPlane.message` encodes them.
        timeout: seconds from the burst to the last answer.
    """
    with open_burst(plane, messages, timeout=timeout) as pending:
        exchanges = read_all(plane, pending, timeout)
        first = min((one.sent for one in pending), default=0.0)
        return Volley(
            exchanges,
            tuple(one.sent - first for one in pending),
            tuple(max(one.done, one.sent) - first for one in pending),
        )


def read_all(plane: RestPlane, pending: Sequence[Pending], timeout: float) -> tuple[Exchange, ...]:
    """Read the answers as they come, within `timeout` seconds from now; in the given order."""
    _await(pending, timeout)
    exchanges = tuple(one.ended for one in pending)
    plane.journal.saw_all(exchanges)
    return exchanges


@contextmanager
def open_burst(
    plane: RestPlane, messages: Sequence[bytes], *, timeout: float = 10.0
) -> Iterator[list[Pending]]:
    """The same burst, sent and not read yet: for clients that leave, or read when they like.

    At the end of the block all connections are closed. `timeout`: seconds to connect.
    """
    pending = [Pending(plane, message) for message in messages]
    try:
        for one in pending:
            one.open(timeout)
        for one in pending:
            one.send()
        yield pending
    finally:
        for one in pending:
            one.give_up("the connection was closed unread")


def must_be_close(volley: Volley, delay_seconds: float) -> None:
    """Raise Invalid when a burst was too spread out to judge a wait of `delay_seconds` by it."""
    if volley.spread > delay_seconds / 2:
        raise Invalid(
            f"the requests of a burst were sent over {volley.spread * 1000:.1f} ms, which is more"
            f" than half of the {delay_seconds * 1000:g} ms that the target waits for company"
        )


def _await(pending: Sequence[Pending], timeout: float) -> None:
    """Send the rest and read the answers, all at once."""
    deadline = time.monotonic() + timeout
    with selectors.DefaultSelector() as selector:
        for one in pending:
            one.register(selector)
        while selector.get_map() and (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                selector.unregister(key.fileobj)  # before it closes
                key.data.progress()
                key.data.register(selector)
    for one in pending:
        one.give_up(f"no answer within {timeout:g} s")
