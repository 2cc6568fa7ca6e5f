"""The threads that compute. Event loops never do: a long inference would stop every probe."""

import logging
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import TypeAlias

from .errors import ComputeFailed, ServingError
from .pipeline import Tensors
from .signature import Work

__all__ = ["Engine"]

_PATIENCE = 0.001
"""Seconds that a result may wait for the next one, so that one wake-up of the loop serves both."""

_LOG = logging.getLogger(__name__)

Outcome: TypeAlias = Tensors | Exception


@dataclass(frozen=True, slots=True)
class Ticket:
    """Work with its caller, who may have left before it runs."""

    work: Work
    caller: Future[Tensors]


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

    async def compute(self, work: Work) -> Tensors:
        """Return the outputs of `work`.

        Raises:
            ComputeFailed: the model raised.
            InvalidRequest: the runtime cannot take these values.
        """
        caller: Future[Tensors] = self._loop.create_future()
        self._queue.put(Ticket(work, caller))
        return await caller

    def _serve(self) -> None:
        results = _Results(self._loop)
        while (ticket := self._next(results)) is not None:
            if not ticket.caller.cancelled():
                results.add(ticket.caller, self._outcome(ticket.work))
        results.hand_back()

    def _next(self, results: "_Results") -> Ticket | None:
        """Return the next ticket, None at the end. No result waits while this waits."""
        if not results.are_due():
            try:
                return self._queue.get_nowait()
            except Empty:
                pass
        results.hand_back()
        return self._queue.get()

    def _outcome(self, work: Work) -> Outcome:
        try:
            return self._run(work)
        except ServingError as error:
            return error
        except Exception as error:  # onnxruntime raises a dozen unrelated types
            # Its text names nodes, source files and addresses: for the operator, not the caller.
            _LOG.warning("model %s raised: %s", self._name, " ".join(str(error).split()))
            return ComputeFailed(f"model {self._name} raised while it ran")


class _Results:
    """Outcomes on their way from an instance to the loop."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._settled: list[tuple[Future[Tensors], Outcome]] = []
        self._oldest = 0.0

    def add(self, caller: Future[Tensors], outcome: Outcome) -> None:
        if not self._settled:
            self._oldest = monotonic()
        self._settled.append((caller, outcome))

    def are_due(self) -> bool:
        return bool(self._settled) and monotonic() - self._oldest > _PATIENCE

    def hand_back(self) -> None:
        if self._settled:
            self._loop.call_soon_threadsafe(_settle, self._settled)
            self._settled = []


def _settle(settled: list[tuple[Future[Tensors], Outcome]]) -> None:
    for caller, outcome in settled:
        if caller.done():  # left while the model ran
            continue
        if isinstance(outcome, Exception):
            caller.set_exception(outcome)
        else:
            caller.set_result(outcome)
