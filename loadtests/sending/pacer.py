"""Moments kept by a thread of the operating system, told to gevent's loop."""

import ctypes
import threading
from collections.abc import Callable
from typing import Any

import gevent
import numpy as np
from gevent.monkey import get_original
from gevent.threadpool import ThreadPool

__all__ = ["CLOCK", "Pacer"]

CLOCK: Callable[[], float] = get_original("time", "monotonic")
_SLEEP: Callable[[float], None] = get_original("time", "sleep")
_LONGEST_SLEEP = 0.1  # seconds, after which it is looked whether to stop
_LIBRARY = ctypes.CDLL(None)
_SET_TIMERSLACK = 29
"""prctl(2): by how many ns the kernel may prolong this thread's sleeps; else by 50 us."""


class Pacer:
    """Calls `due(k)` in the loop as soon as moment k has come, in order.

    gevent's own timers are late by a millisecond and more, and by as much as the loop is busy
    when they are set; a thread that sleeps is late by a tenth of that.

    Args:
        offsets: the moments, in seconds from the start, ascending.
        due: hears of each; runs in the hub, and must not block.
    """

    def __init__(self, offsets: np.ndarray, due: Callable[[int], None]) -> None:
        self._offsets = [float(offset) for offset in offsets]
        self._due = due
        self._told = 0
        self._passed = 0  # written by the thread, read by the loop
        self._stopped = threading.Event()

    def run(self, begun: float) -> None:
        """Pass through all moments, counted from `begun` on the monotonic clock."""
        loop = gevent.get_hub().loop
        wake: Any = loop.async_()
        wake.start(self._tell)
        threads = ThreadPool(1)
        try:
            threads.spawn(self._sleep_through, begun, wake).get()
            self._tell()
        finally:
            self._stopped.set()
            threads.join()
            threads.kill()
            wake.stop()
            wake.close()

    def _sleep_through(self, begun: float, wake: Any) -> None:
        _LIBRARY.prctl(_SET_TIMERSLACK, 1)
        for passed, offset in enumerate(self._offsets, 1):
            moment = begun + offset
            while (left := moment - CLOCK()) > 0:
                _SLEEP(min(left, _LONGEST_SLEEP))
                if self._stopped.is_set():
                    return
            self._passed = passed
            wake.send()

    def _tell(self) -> None:
        while self._told < self._passed:
            self._told += 1
            self._due(self._told - 1)
