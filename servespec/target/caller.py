"""One kept connection of a drive: asks one question after the other and tells answers apart."""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from .answers import AnswerReader, Incoming
from .exchange import Exchange, RequestBytes
from .ledger import Outcome, Row

__all__ = ["Call", "Caller", "Question", "Verdict"]

Verdict = tuple[Outcome, str]
"""An outcome and its detail."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request, and how its own answer is known.

    Attributes:
        id: its name in the ledger.
        message: the whole request, as `RestPlane.message` encodes it.
        accept: asked about a successful answer: None when it is this caller's, else why not.
    """

    id: str
    message: bytes
    accept: Callable[[Exchange], str | None]


@dataclass(slots=True)
class Call:
    """A question on its way; times by `time.monotonic`, NaN for what did not happen yet."""

    question: Question
    message: RequestBytes
    intended: float
    dispatched: float = math.nan
    sent: float = math.nan
    done: float = math.nan
    status: int = 0
    version: str = ""
    verdict: Verdict | None = None
    timer: asyncio.TimerHandle | None = None

    def dispatch(self) -> None:
        """A connection was found, or begins to be opened."""
        self.dispatched = time.monotonic()
        self.stop_timer()

    def stop_timer(self) -> None:
        """Nothing is waited for any longer."""
        if self.timer is not None:
            self.timer.cancel()

    def row(self, started: float) -> Row:
        """The same for good, its times counted from the start."""
        outcome, detail = self.verdict or (Outcome.LOST, "the drive ended before its answer")
        return Row(
            self.question.id,
            self.intended - started,
            self.dispatched - started,
            self.sent - started,
            self.done - started,
            self.status,
            self.version,
            outcome,
            detail,
        )


class Owner(Protocol):
    """What a connection tells the drive that it belongs to."""

    def judge(self, call: Call, exchange: Exchange) -> Verdict:
        """What an answer is to a call."""

    def settle(self, call: Call, exchange: Exchange, verdict: Verdict) -> None:
        """The call has its outcome."""

    def free(self, caller: "Caller") -> None:
        """The connection can be used again."""

    def gone(self, caller: "Caller") -> None:
        """The connection is closed."""


class Caller(asyncio.Protocol):
    """A connection to the target.

    Attributes:
        since: when it was used last, by `time.monotonic`.
    """

    def __init__(self, owner: Owner, timeout: float) -> None:
        self._owner = owner
        self._timeout = timeout
        self._transport: asyncio.Transport | None = None
        self._in = Incoming()
        self._reader: AnswerReader | None = None
        self._call: Call | None = None
        self._last: Call | None = None
        self._lost = asyncio.Event()
        self._came = math.nan
        self.since = 0.0

    @property
    def usable(self) -> bool:
        """Whether it is still open."""
        return self._transport is not None and not self._transport.is_closing()

    def ask(self, call: Call) -> None:
        """Send a question; the answer to the one before has been read."""
        assert self._transport is not None
        self._call = call
        self._reader = AnswerReader(self._in, call.message.request)
        self._transport.write(call.message)
        call.sent = time.monotonic()
        loop = asyncio.get_running_loop()
        call.timer = loop.call_later(self._timeout, self._tire)

    def leave(self) -> None:
        """Close the connection, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    async def end(self) -> None:
        """Close the connection and wait until it is closed."""
        self.leave()
        await self._lost.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Note the time; read on when all other connections have done the same.

        Answers of one batch come together, and to judge the first takes its time.
        """
        self._came = time.monotonic()
        self._in.feed(data)
        asyncio.get_running_loop().call_soon(self._read)

    def connection_lost(self, exc: Exception | None) -> None:
        """The end of the connection may be the end of the answer, or its loss."""
        self._came = time.monotonic()
        if exc is None:
            self._in.feed(b"")
        else:
            self._in.feed_reset()
        self._read()
        self._lost.set()
        self._owner.gone(self)

    def _read(self) -> None:
        if self._call is None or self._reader is None:
            self._refuse_more()
            return
        exchange = self._reader.advance()
        if exchange is None:
            return
        if 100 <= exchange.status < 200:  # interim: the final one follows
            self._read_next(self._call)
            return
        exchange = self._call.message.named(exchange)
        verdict = self._owner.judge(self._call, exchange)
        if verdict[0] is Outcome.CROSSED and self._is_second(exchange):
            self._read_next(self._call)
            return
        self._settle(self._call, exchange, verdict, keep=self._reader.persistent)

    def _read_next(self, call: Call) -> None:
        self._reader = AnswerReader(self._in, call.message.request)
        self._reader.started = call.sent
        self._read()

    def _is_second(self, exchange: Exchange) -> bool:
        """Whether the call before is answered again; then it is noted there."""
        if self._last is None or self._owner.judge(self._last, exchange)[0] is not Outcome.ANSWERED:
            return False
        self._last.verdict = (Outcome.DOUBLED, "it was answered again before the next answer")
        return True

    def _settle(self, call: Call, exchange: Exchange, verdict: Verdict, *, keep: bool) -> None:
        call.stop_timer()
        call.done = self._came
        answered = exchange.failure is None
        self._call, self._last = None, call if answered else None
        self._in.forget()
        self.since = time.monotonic()
        self._owner.settle(call, exchange, verdict)
        if answered and self._in.unread:
            self._refuse_more()
        elif not keep or self._in.closed:
            self.leave()
        else:
            self._owner.free(self)

    def _refuse_more(self) -> None:
        """Bytes that nobody asked for are taken for a second answer to the last call."""
        if self._in.unread and self._last is not None:
            came = bytes(self._in.received[:80])
            self._last.verdict = (Outcome.DOUBLED, f"after its answer {came!r} came")
            self.leave()

    def _tire(self) -> None:
        self._read()
        self._came = time.monotonic()
        if self._call is not None and self._reader is not None:
            exchange = self._reader.failed(f"no answer within {self._timeout:g} s")
            verdict = Outcome.LOST, exchange.failure or ""
            self._settle(self._call, exchange, verdict, keep=False)
