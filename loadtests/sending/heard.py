"""When gevent's loop last heard of something: until then no answer was there that is read next."""

from typing import Any, Self

import gevent

from .pacer import CLOCK

__all__ = ["Heard"]


class Heard:
    """Notes the moment each time that the loop has waited, before it tells anybody why.

    Greenlets whose answers came together are told so one after the other. Were an answer's time
    counted to its greenlet's turn, the last of 400 behind a stall would seem 40 ms longer.
    """

    def __init__(self) -> None:
        self._moment = 0.0
        self._watcher: Any = gevent.get_hub().loop.check(ref=False)

    def __enter__(self) -> Self:
        self._watcher.start(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        self._watcher.stop()
        self._watcher.close()

    def since(self, sent: float) -> float:
        """When what was just read was there: now, where nobody had to wait for it since `sent`."""
        return self._moment if self._moment > sent else CLOCK()

    def _note(self) -> None:
        self._moment = CLOCK()
