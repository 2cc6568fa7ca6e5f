"""Two answers at once, in a process of its own: `python -m loadtests.tests.hearing`.

Prints when each of them was there, and when its greenlet had its turn, in seconds after both were
sent. Whoever is told first keeps the other one waiting. gevent stays out of the tests' own process.
"""

import json
import sys

import gevent
from gevent import socket

from ..sending.heard import Heard
from ..sending.pacer import CLOCK

KEPT = 0.1
"""Seconds that each greenlet computes before it lets others go on."""


def main() -> None:
    """Let two greenlets read what came to both."""
    told: list[tuple[float, float]] = []
    with Heard() as heard:
        pairs = [socket.socketpair() for _ in range(2)]
        reading = [gevent.spawn(_read, ours, heard, told) for ours, _ in pairs]
        gevent.sleep(0.05)
        sent = CLOCK()
        for _, theirs in pairs:
            theirs.send(b"answer")
        gevent.joinall(reading, raise_error=True)
    sys.stdout.write(json.dumps([[moment - sent for moment in each] for each in told]))


def _read(connection: socket.socket, heard: Heard, told: list[tuple[float, float]]) -> None:
    asked = CLOCK()
    connection.recv(16)
    there, turn = heard.since(asked), CLOCK()
    told.append((there, turn))
    while CLOCK() < turn + KEPT:
        pass


if __name__ == "__main__":
    main()
