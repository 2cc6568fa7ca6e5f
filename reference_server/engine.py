"""The threads that compute. Event loops never do: a long inference would stop every probe."""

import contextlib
import logging
from asyncio import AbstractEventLoop, Future, TimerHandle
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from threading import Thread
from time import monotonic
from typing import TypeAlias

from .batching import BatchQueue, Ticket
from .errors import ComputeFailed, Overloaded, QueueTimeout, ServingError, ShuttingDown
from .pipeline import Computed, Execute, Outcome
from .signature import Work

__all__ = ["Engine", "EngineState"]

_LOG = logging.getLogger(__name__)

_SHOWN_SECONDS = 1.0
"""For how long a death is seen at least: those who watch look about once a second."""

Settled: TypeAlias = tuple[Future[Computed], Computed | Exception]

Interrupt: TypeAlias = Callable[[], None]


class EngineState(Enum):
    """What callers have to expect of an engine."""

    WORKING = auto()
    DOWN = auto()
    STALLED = auto()
    STUCK = auto()


@dataclass(slots=True, eq=False)
class Execution:
    """A batch that runs.

    Attributes:
        began: when, on the monotonic clock.
        interrupt: ends it, and nothing else, before its time.
    """

    batch: Sequence[Ticket]
    began: float
    interrupt: Interrupt

    @property
    def is_for_nobody(self) -> bool:
        """Whether all of its callers have left."""
        return all(ticket.caller.done() for ticket in self.batch)


@dataclass(slots=True, eq=False)
class Instance:
    """A thread that computes, and what it is at."""

    thread: Thread
    execution: Execution | None = None

    def seconds(self, now: float) -> float:
        """How long it has been at its batch."""
        execution = self.execution
        return 0.0 if execution is None else now - execution.began


def _ignore() -> None:
    pass


def _cannot_be_interrupted() -> Interrupt:
    return _ignore


class Engine:
    """Computes for one model: some threads (instances) that draw batches from one queue.

    A thread that dies is replaced, and whoever waited for it gets an error.

    Args:
        name: of the model, for errors and log lines.
        execute: computes a batch; is called from all instances at once.
        queue: between the event loop and the instances.
        loop: where the callers wait.
        instances: how many threads.
        settled: called on the loop before callers get their outcomes.
        begin: called in an instance before each of its batches; returns what ends just that one.
    """

    def __init__(
        self,
        name: str,
        execute: Execute,
        queue: BatchQueue,
        loop: AbstractEventLoop,
        instances: int,
        *,
        settled: Callable[[], None] = _ignore,
        begin: Callable[[], Interrupt] = _cannot_be_interrupted,
    ) -> None:
        self._name = name
        self._execute = execute
        self._queue = queue
        self._loop = loop
        self._notify = settled
        self._begin = begin
        self._waiting: set[Ticket] = set()
        self._settled: deque[Settled] = deque()
        self._loop_is_woken = False
        self._ending = False
        self._died = float("-inf")
        self._instances = [Instance(Thread()) for _ in range(instances)]

    # On the event loop.

    def start(self) -> None:
        """Start the instances. They never keep the process alive."""
        for instance in self._instances:
            self._start(instance)

    async def compute(self, work: Work) -> Computed:
        """Return the outputs of `work`.

        Raises:
            ComputeFailed: the model raised, or its engine died.
            InvalidRequest: the runtime cannot take these values.
            Overloaded: as much as may waits already.
            QueueTimeout: it waited for as long as it may.
            ShuttingDown: the engine was stopped before it came to it.
        """
        if self._ending:
            raise ShuttingDown("the server is shutting down")
        if self._queue.is_full:
            raise Overloaded(f"model {self._name}: {self._queue.depth} requests wait already")
        if self._waiting:
            self._queue.forming.expects_company = True
        ticket = self._queue.put(work, self._loop.create_future())
        self._waiting.add(ticket)
        timer = self._limit_wait(ticket)
        try:
            return await ticket.caller
        finally:
            if timer is not None:
                timer.cancel()
            self._waiting.discard(ticket)
            self._queue.leave(ticket)
            if ticket.caller.cancelled():
                self._interrupt_what_is_for_nobody()

    def reorder(self) -> None:
        """Look again at the priorities of what is queued: some have changed."""
        self._queue.reorder()

    def abort(self) -> None:
        """Take no more work, and fail all that is queued or runs, whatever the threads do."""
        self._ending = True
        self._queue.close()
        self._fail_waiting(ShuttingDown, "given up unfinished: its model or the server ends")

    def _limit_wait(self, ticket: Ticket) -> TimerHandle | None:
        seconds = self._queue.forming.longest_wait()
        return None if seconds is None else self._loop.call_later(seconds, self._expel, ticket)

    def _expel(self, ticket: Ticket) -> None:
        if self._queue.leave(ticket) and not ticket.caller.done():
            text = f"model {self._name}: no engine was free in time"
            ticket.caller.set_exception(QueueTimeout(text))

    def _interrupt_what_is_for_nobody(self) -> None:
        for instance in self._instances:
            execution = instance.execution
            if execution is not None and execution.is_for_nobody:
                execution.interrupt()

    # From any thread.

    def stop(self, limit: float) -> None:
        """Wait up to `limit` seconds for the instances to finish what is queued and to end.

        Take no more work; who still waits after that gets an error.
        """
        self._ending = True
        self._queue.close()
        deadline = monotonic() + limit
        for instance in self._instances:
            thread = None
            while thread is not instance.thread:  # another one: it died, and was replaced
                thread = instance.thread
                thread.join(max(0.0, deadline - monotonic()))
        self._on_loop(self._fail_waiting, ShuttingDown, "the server is shutting down")

    def state(self, stalled_seconds: float, stuck_seconds: float) -> EngineState:
        """What callers have to expect, given how long a batch may run."""
        now = monotonic()
        running = [instance.seconds(now) for instance in self._instances]
        if max(running) > stuck_seconds:
            return EngineState.STUCK
        alive = all(instance.thread.is_alive() for instance in self._instances)
        if not alive or now < self._died + _SHOWN_SECONDS:
            return EngineState.DOWN
        return EngineState.STALLED if min(running) > stalled_seconds else EngineState.WORKING

    @property
    def queue_depth(self) -> int:
        """How many pieces of work wait to be run."""
        return self._queue.depth

    # In the threads.

    def _start(self, instance: Instance) -> None:
        thread = Thread(target=self._serve, args=(instance,), daemon=True)
        thread.start()
        instance.thread = thread  # not before: who stops the engine joins it

    def _serve(self, instance: Instance) -> None:
        try:
            while self._serve_batch(instance):
                pass
        except BaseException as error:
            self._bury(instance, error)
            self._start(instance)

    def _serve_batch(self, instance: Instance) -> bool:
        """Serve a batch, in a call of its own: an idle instance holds no tensors."""
        batch = self._queue.take()
        if not batch:
            return False
        execution = Execution(batch, monotonic(), self._begin())
        instance.execution = execution
        outcomes = self._execute([ticket.work for ticket in batch])
        settlements = [*self._settlements(execution, outcomes)]
        instance.execution = None  # before its callers know, and ask again
        self._hand_back(settlements)
        return True

    def _settlements(self, execution: Execution, outcomes: Sequence[Outcome]) -> Iterable[Settled]:
        batch, began = execution.batch, execution.began
        seconds = monotonic() - began
        rows = sum(ticket.rows for ticket in batch)
        for ticket, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Exception):
                yield ticket.caller, outcome
            else:
                waited = began - ticket.arrived
                yield ticket.caller, Computed(outcome, waited, seconds, rows)

    def _bury(self, instance: Instance, error: BaseException) -> None:
        """Fail what the thread had in its hands: all of the queue, had it no batch yet."""
        self._died = monotonic()
        _LOG.error("model %s: its engine died and is restarted", self._name, exc_info=error)
        text = f"model {self._name} failed: its engine died"
        execution, instance.execution = instance.execution, None
        if execution is not None:
            self._hand_back((ticket.caller, ComputeFailed(text)) for ticket in execution.batch)
        else:
            self._on_loop(self._fail_waiting, ComputeFailed, text)

    def _hand_back(self, settlements: Iterable[Settled]) -> None:
        """Settle on the loop. It is woken once for all results that are there when it comes."""
        self._settled.extend(settlements)
        if not self._loop_is_woken:
            self._loop_is_woken = True
            self._on_loop(self._settle)

    def _on_loop(self, call: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # a closed loop: nobody waits any more
            self._loop.call_soon_threadsafe(call, *arguments)

    # On the event loop, by the threads.

    def _settle(self) -> None:
        self._loop_is_woken = False  # before the look: what comes after it wakes the loop again
        self._notify()
        while self._settled:
            caller, outcome = self._settled.popleft()
            if caller.done():  # left while the model ran
                continue
            if isinstance(outcome, Exception):
                caller.set_exception(outcome)
            else:
                caller.set_result(outcome)

    def _fail_waiting(self, kind: type[ServingError], text: str) -> None:
        for ticket in self._waiting:
            if not ticket.caller.done():
                ticket.caller.set_exception(kind(text))
