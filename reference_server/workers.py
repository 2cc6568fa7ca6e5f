"""Threads for what an event loop has no time for."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

__all__ = ["Workers"]

Result = TypeVar("Result")


class Workers:
    """A bounded number of threads, which never keep the process alive.

    Those of concurrent.futures do: the interpreter waits for what they are at.
    """

    def __init__(self, count: int) -> None:
        self._queue: SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = SimpleQueue()
        self._threads = [Thread(target=self._work, daemon=True) for _ in range(count)]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let the threads go when they are done with what they have been given; wait for none."""
        for _ in self._threads:
            self._queue.put(None)

    async def run(self, function: Callable[[], Result]) -> Result:
        """Return what the function returns, or raise what it raises.

        Who is cancelled waits no longer; the function is dropped if it has not been started.
        """
        future = Future[Result]()
        self._queue.put((function, future))
        return await asyncio.wrap_future(future)

    def _work(self) -> None:
        while self._work_once():
            pass

    def _work_once(self) -> bool:
        """Run a function, in a call of its own: an idle thread holds no tensors."""
        job = self._queue.get()
        if job is None:
            return False
        function, future = job
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(function())
            except BaseException as error:
                future.set_exception(error)
        return True
