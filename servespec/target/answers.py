"""HTTP/1.1 answers out of bytes as they come, read leniently, without any I/O."""

import re
import time
from collections.abc import Generator

import httpx

from .exchange import Exchange, Headers, Request

__all__ = ["AnswerReader", "Incoming", "uncoded"]

_STATUS_LINE = re.compile(rb"(HTTP/\d\.\d) (\d{3})(?: .*)?")
_BODILESS = frozenset({204, 304})
_LONGEST_LINE = 1 << 16

_Answer = tuple[int, Headers, bytes]
"""Status, header fields and the body as it was coded."""


def uncoded(headers: Headers, coded: bytes) -> bytes:
    """Undo the Content-Encoding of a body.

    Raises:
        httpx.DecodingError: the body is not coded as the header says.
    """
    codings = [(name, value) for name, value in headers if name.lower() == "content-encoding"]
    return httpx.Response(200, headers=codings, content=coded).content if codings else coded


class _NoAnswer(Exception):
    """Why no complete answer could be read."""


class Incoming:
    """What came over one connection.

    Attributes:
        received: every byte that came and was not forgotten.
        taken: how many of them belong to answers that were read.
        closed: the target closed it, in order or by a reset.
        reset: it was a reset.
    """

    def __init__(self) -> None:
        self.received = bytearray()
        self.taken = 0
        self.closed = False
        self.reset = False

    def feed(self, data: bytes) -> None:
        """Add bytes; none: the target closed the connection."""
        self.received += data
        self.closed = not data

    def feed_reset(self) -> None:
        """The target reset the connection."""
        self.reset = self.closed = True

    @property
    def unread(self) -> int:
        """How many bytes belong to no answer that was read."""
        return len(self.received) - self.taken

    def forget(self) -> None:
        """Drop the answers that were read."""
        del self.received[: self.taken]
        self.taken = 0


class AnswerReader:
    """Reads the next answer of a connection; `head`: it has no body.

    Attributes:
        started: from when its time counts, by `time.monotonic`; at first, since it was made.
        persistent: whether the target will keep the connection, once the answer is complete.
    """

    def __init__(self, incoming: Incoming, request: Request, *, head: bool = False) -> None:
        self._in = incoming
        self._request = request
        self._begun = incoming.taken
        self.started = time.monotonic()
        self.persistent = False
        self._steps = self._answer(head)

    def advance(self) -> Exchange | None:
        """Read on; None when more has to come first. An answer that cannot be is a failure."""
        try:
            next(self._steps)
            return None
        except StopIteration as end:
            answer: _Answer = end.value
        except _NoAnswer as error:
            return self.failed(str(error))
        status, headers, coded = answer
        seconds = time.monotonic() - self.started
        try:
            body = uncoded(headers, coded)
        except httpx.DecodingError as error:
            return self.failed(str(error))
        return Exchange(self._request, status, headers, body, coded, seconds)

    def failed(self, why: str) -> Exchange:
        """An exchange without a complete answer."""
        came = len(self._in.received) - self._begun
        where = f" ({came} bytes of one came)" if came else ""
        seconds = time.monotonic() - self.started
        return Exchange(self._request, seconds=seconds, failure=f"{why}{where}")

    def _answer(self, head: bool) -> Generator[None, None, _Answer]:
        line = yield from self._line()
        match = _STATUS_LINE.fullmatch(line)
        if match is None:
            raise _NoAnswer(f"{line[:80]!r} came, not an HTTP status line")
        status, headers = int(match[2]), []
        while line := (yield from self._line()):
            name, _, value = line.decode("latin-1").partition(":")
            headers.append((name, value.strip()))
        self.persistent = _persistent(match[1], headers)
        coded = b"" if head else (yield from self._body(status, headers))
        return status, tuple(headers), coded

    def _body(self, status: int, headers: list[tuple[str, str]]) -> Generator[None, None, bytes]:
        fields = {name.lower(): value for name, value in headers}
        if status < 200 or status in _BODILESS:
            return b""
        if "chunked" in fields.get("transfer-encoding", "").lower():
            return (yield from self._chunks())
        if "content-length" in fields:
            return (yield from self._take(_number(fields["content-length"], 10)))
        while not self._in.closed:
            yield from self._more(at_end=True)
        return (yield from self._take(self._in.unread))

    def _chunks(self) -> Generator[None, None, bytes]:
        body = bytearray()
        while size := _number((yield from self._line()).split(b";")[0].decode("latin-1"), 16):
            body += yield from self._take(size)
            yield from self._line()
        while (yield from self._line()):  # trailer fields
            pass
        return bytes(body)

    def _line(self) -> Generator[None, None, bytes]:
        while (end := self._in.received.find(b"\n", self._in.taken)) < 0:
            if self._in.unread > _LONGEST_LINE:
                raise _NoAnswer(f"a line of more than {_LONGEST_LINE} bytes came")
            yield from self._more()
        return (yield from self._take(end + 1 - self._in.taken)).rstrip(b"\r\n")

    def _take(self, size: int) -> Generator[None, None, bytes]:
        while self._in.unread < size:
            yield from self._more()
        start = self._in.taken
        self._in.taken += size
        return bytes(self._in.received[start : start + size])

    def _more(self, *, at_end: bool = False) -> Generator[None, None, None]:
        """Wait for more; `at_end`: the target may close the connection here."""
        if not self._in.closed:
            yield
        if self._in.closed and (self._in.reset or not at_end):
            how = "reset" if self._in.reset else "closed"
            raise _NoAnswer(f"the target {how} the connection without an answer")


def _persistent(version: bytes, headers: list[tuple[str, str]]) -> bool:
    """RFC 9112, 9.3."""
    values = (value.lower() for name, value in headers if name.lower() == "connection")
    options = {option.strip() for value in values for option in value.split(",")}
    return "close" not in options and (version >= b"HTTP/1.1" or "keep-alive" in options)


def _number(text: str, base: int) -> int:
    try:
        return int(text.strip(), base)
    except ValueError:
        raise _NoAnswer(f"{text[:80]!r} came where the length of the body was expected") from None
