"""Open-loop traffic: requests go out at their moments, whatever became of those before."""

import asyncio
import gc
import json
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from .caller import Call, Caller, Question, Verdict
from .exchange import Exchange, RequestBytes
from .ledger import Ledger, Outcome
from .rest import RestPlane
from .schedules import Schedule

__all__ = ["Drive", "Question", "drive", "driving"]

_LONGEST_IDLE = 2.0  # seconds; servers close idle connections, few of them before 5 s
_LINGER = 0.1  # seconds in which a second answer to one of the last requests is still noticed
_EXAMPLES = 10  # exchanges kept as evidence of each sort
_BUSY = frozenset({429, 503})


def drive(
    plane: RestPlane,
    schedule: Schedule,
    question: Callable[[int], Question],
    *,
    connections: int = 64,
    timeout: float = 10.0,
) -> Ledger:
    """Send request k at `schedule[k]` seconds from now, and say what became of each.

    No request waits for the answer to another one, unless all `connections` are in use: then it
    waits its turn, and the ledger shows how late it was dispatched.

    Args:
        plane: where to send them.
        schedule: offsets in ascending order, such as `constant` and `poisson` make.
        question: makes request k; called a little ahead of its moment, in another thread.
        connections: kept open for the next request; opened as they are needed, up to so many.
        timeout: seconds for a connection to become free, and to open, and again for the answer.
    """
    with driving(plane, schedule, question, connections=connections, timeout=timeout) as driven:
        pass
    return driven.ledger


@contextmanager
def driving(
    plane: RestPlane,
    schedule: Schedule,
    question: Callable[[int], Question],
    *,
    connections: int = 64,
    timeout: float = 10.0,
) -> Iterator["Drive"]:
    """The same in the background; the end of the block waits for the end of the schedule."""
    driven = Drive(plane, schedule, question, connections, timeout)
    with ThreadPoolExecutor(1, "drive") as thread, _short_collections():
        running = thread.submit(asyncio.run, driven.run())
        try:
            yield driven
        except BaseException:
            driven.stop()
            raise
        running.result()
    driven.keep_evidence()


@contextmanager
def _short_collections() -> Iterator[None]:
    """Spare the garbage collector what is there already: to walk it stops all for 50 ms or more."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class Drive:
    """Traffic on its way.

    Attributes:
        ledger: what became of the requests; complete when the block of `driving` has ended.
    """

    def __init__(
        self,
        plane: RestPlane,
        schedule: Schedule,
        question: Callable[[int], Question],
        connections: int,
        timeout: float,
    ) -> None:
        self._plane = plane
        self._schedule = schedule
        self._question = question
        self._most = connections
        self._timeout = timeout
        self._started = 0.0
        self._stopped = threading.Event()
        self._error: BaseException | None = None
        self._calls: list[Call] = []
        self._waiting: deque[Call] = deque()
        self._unsettled = 0
        self._quiet = asyncio.Event()
        self._free: list[Caller] = []
        self._callers: set[Caller] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._examples: dict[bool, list[Exchange]] = {True: [], False: []}
        self.ledger = Ledger((), 0.0)

    def stop(self) -> None:
        """Send no more; what is on its way gets its time."""
        self._stopped.set()

    def keep_evidence(self) -> None:
        """Put examples, of what went wrong before others, into the check's evidence."""
        shown = self._examples[True] + self._examples[False]
        self._plane.journal.saw_all(shown, besides=len(self._calls) - len(shown))

    async def run(self) -> None:
        """Send everything and wait for the last answer."""
        loop = asyncio.get_running_loop()
        self._started = time.monotonic()
        try:
            await loop.run_in_executor(None, self._pace, loop)
            while self._unsettled:
                self._quiet.clear()
                await self._quiet.wait()
            await asyncio.sleep(_LINGER)
        finally:
            await self._close()
        if self._error is not None:
            raise self._error
        rows = tuple(call.row(self._started) for call in self._calls)
        self.ledger = Ledger(rows, self._started)

    async def _close(self) -> None:
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        await asyncio.gather(*(caller.end() for caller in self._callers))

    def _pace(self, loop: asyncio.AbstractEventLoop) -> None:
        """In a thread of its own: an event loop's timers are late by a millisecond."""
        for index, offset in enumerate(self._schedule):
            question = self._question(index)
            message = RequestBytes.of(question.message, self._plane.origin)
            call = Call(question, message, self._started + float(offset))
            if self._stopped.wait(max(0.0, call.intended - time.monotonic())):
                return
            loop.call_soon_threadsafe(self._admit, call)

    def _admit(self, call: Call) -> None:
        self._calls.append(call)
        self._unsettled += 1
        self._waiting.append(call)
        self._dispatch()
        if math.isnan(call.dispatched):
            call.timer = asyncio.get_running_loop().call_later(self._timeout, self._tire, call)

    def _dispatch(self) -> None:
        """Hand waiting calls to free connections, and open more for the others."""
        while self._waiting:
            caller = self._rested()
            if caller is None and len(self._callers) + len(self._opening) >= self._most:
                return
            call = self._waiting.popleft()
            call.dispatch()
            if caller is not None:
                caller.ask(call)
            else:
                task = asyncio.get_running_loop().create_task(self._open_for(call))
                self._opening.add(task)
                task.add_done_callback(self._opened)

    def _rested(self) -> Caller | None:
        """The free connection that was used last; those that were idle for long are left."""
        while self._free:
            caller = self._free.pop()
            if caller.usable and time.monotonic() - caller.since < _LONGEST_IDLE:
                return caller
            caller.leave()
        return None

    async def _open_for(self, call: Call) -> None:
        plane = self._plane
        try:
            async with asyncio.timeout(self._timeout):
                _, caller = await asyncio.get_running_loop().create_connection(
                    lambda: Caller(self, self._timeout), plane.host, plane.port, ssl=plane.tls
                )
        except OSError as error:  # TimeoutError is one of them
            why = str(error) or f"none within {self._timeout:g} s"
            self._unsent(call, f"no connection to {plane.origin}: {why}")
        else:
            self._callers.add(caller)
            caller.ask(call)

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)
        if not task.cancelled():
            self._note(task.exception())
            self._dispatch()

    def _tire(self, call: Call) -> None:
        if math.isnan(call.dispatched):
            self._waiting.remove(call)
            self._unsent(call, f"no connection became free within {self._timeout:g} s")

    def _unsent(self, call: Call, why: str) -> None:
        call.done = time.monotonic()
        self.settle(call, Exchange(call.message.request, failure=why), (Outcome.FAILED, why))

    def judge(self, call: Call, exchange: Exchange) -> Verdict:
        """What an answer is to a call."""
        if exchange.failure is not None:
            return Outcome.LOST, exchange.failure
        if not 200 <= exchange.status < 300:
            body = exchange.body[:200].decode(errors="replace")
            outcome = Outcome.REFUSED if exchange.status in _BUSY else Outcome.FAILED
            return outcome, f"{exchange.status} {body}"
        try:
            why = call.question.accept(exchange)
        except AssertionError as error:
            return Outcome.FAILED, str(error)
        except Exception as error:  # a mistake of the check's: it ends the drive
            self._note(error)
            return Outcome.FAILED, repr(error)
        return (Outcome.ANSWERED, "") if why is None else (Outcome.CROSSED, why)

    def settle(self, call: Call, exchange: Exchange, verdict: Verdict) -> None:
        """The call has its outcome."""
        call.status = exchange.status
        call.version = _version(exchange)
        call.verdict = verdict
        examples = self._examples[verdict[0] is Outcome.ANSWERED]
        if len(examples) < _EXAMPLES:
            examples.append(exchange)
        self._unsettled -= 1
        if not self._unsettled:
            self._quiet.set()

    def free(self, caller: Caller) -> None:
        """The connection can be used again."""
        self._free.append(caller)
        self._dispatch()

    def gone(self, caller: Caller) -> None:
        """The connection is closed."""
        self._callers.discard(caller)
        if caller in self._free:
            self._free.remove(caller)
        self._dispatch()

    def _note(self, error: BaseException | None) -> None:
        if error is not None:
            self._error = self._error or error
            self._stopped.set()


def _version(exchange: Exchange) -> str:
    """The model version that an answer names."""
    if b'"model_version"' not in exchange.body:
        return ""
    try:
        value = json.loads(exchange.raw_text).get("model_version")
    except (AssertionError, AttributeError, ValueError, RecursionError):
        return ""
    return value if isinstance(value, str) else ""
