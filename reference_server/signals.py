"""SIGTERM and SIGINT from the first line of the process to its last.

Imported before everything else, so it imports nothing of ours: what loads a runtime takes a second
in which a signal must not be lost.
"""

import signal
from collections.abc import Callable
from types import FrameType

__all__ = ["Signals"]

_ENDING = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """The signals that end the server. What comes before somebody listens is kept for them."""

    def __init__(self) -> None:
        self._early: list[int] = []
        self._listener: Callable[[int], None] = self._early.append

    def install(self) -> None:
        """Take the signals from here on."""
        for number in _ENDING:
            signal.signal(number, self._take)

    def listen(self, listener: Callable[[int], None]) -> None:
        """Have `listener` called on each signal, also on those that have come already."""
        self._listener = listener
        while self._early:
            listener(self._early.pop(0))

    def ignore(self) -> None:
        """Let none change the exit code: the interpreter's own end gives them their default."""
        for number in _ENDING:
            signal.signal(number, signal.SIG_IGN)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        self._listener(number)
