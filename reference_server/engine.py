"""The threads that compute. Event loops never do: a long inference would stop every probe."""

import contextlib
import logging
from asyncio import AbstractEventLoop, Future
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from time import monotonic
from typing import TypeAlias

from .errors import ComputeFailed, ServingError
from .pipeline import Computed, Tensors
from .signature import Work

__all__ = ["Engine"]

_LOG = logging.getLogger(__name__)

Outcome: TypeAlias = Computed | Exception


@dataclass(frozen=True, slots=True)
class Ticket:
    """Work with its caller, who may have left before it runs."""

    work: Work
    caller: Future[Computed]
    queued: float


class Engine:
    """Computes for one model: some threads (instances) that draw from one queue.

    Args:
        name: of the model, for errors and log lines.
        run: computes one piece of work; is called from all instances at once.
        loop: where the callers wait.
        instances: how many threads.
    """

    def __init__(
        self, name: str, run: Callable[[Work], Tensors], loop: AbstractEventLoop, instances: int
    ) -> None:
        self._name = name
        self._run = run
        self._loop = loop
        self._queue: SimpleQueue[Ticket | None] = SimpleQueue()
        self._settled: deque[tuple[Future[Computed], Outcome]] = deque()
        self._loop_is_woken = False
        self._threads = [Thread(target=self._serve, daemon=True) for _ in range(instances)]

    def start(self) -> None:
        """Start the instances. They never keep the process alive."""
        for thread in self._threads:
            thread.start()

    def stop(self, limit: float) -> None:
        """Wait up to `limit` seconds for the instances to finish what is queued and to end."""
        for _ in self._threads:
            self._queue.put(None)
        deadline = monotonic() + limit
        for thread in self._threads:
            thread.join(max(0.0, deadline - monotonic()))

    async def compute(self, work: Work) -> Computed:
        """Return the outputs of `work`.

        Raises:
            ComputeFailed: the model raised.
            InvalidRequest: the runtime cannot take these values.
        """
        caller: Future[Computed] = self._loop.create_future()
        self._queue.put(Ticket(work, caller, monotonic()))
        return await caller

    def _serve(self) -> None:
        while self._serve_one():
            pass

    def _serve_one(self) -> bool:
        """Serve a ticket, in a call of its own: an idle instance holds no tensors."""
        ticket = self._queue.get()
        if ticket is None:
            return False
        if not ticket.caller.cancelled():
            self._hand_back(ticket.caller, self._outcome(ticket))
        return True

    def _hand_back(self, caller: Future[Computed], outcome: Outcome) -> None:
        """Settle on the loop. It is woken once for all results that are there when it comes."""
        self._settled.append((caller, outcome))
        if not self._loop_is_woken:
            self._loop_is_woken = True
            with contextlib.suppress(RuntimeError):  # a closed loop: nobody waits any more
                self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        self._loop_is_woken = False  # before the look: what comes after it wakes the loop again
        while self._settled:
            caller, outcome = self._settled.popleft()
            if caller.done():  # left while the model ran
                continue
            if isinstance(outcome, Exception):
                caller.set_exception(outcome)
            else:
                caller.set_result(outcome)

    def _outcome(self, ticket: Ticket) -> Outcome:
        started = monotonic()
        try:
            tensors = self._run(ticket.work)
            return Computed(tensors, started - ticket.queued, monotonic() - started, 1)
        except ServingError as error:
            return error
        except Exception as error:  # onnxruntime raises a dozen unrelated types
            # Its text names nodes, source files and addresses: for the operator, not the caller.
            _LOG.warning("model %s raised: %s", self._name, " ".join(str(error).split()))
            return ComputeFailed(f"model {self._name} raised while it ran")
