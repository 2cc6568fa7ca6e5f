"""Many clients that take their time: a thread feeds them all, little by little."""

import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from servespec.target.outcomes import Untestable
from servespec.target.target import Target

__all__ = ["crawling"]

PAUSE = 0.5
"""Seconds between two bytes of the same client: less than any server's patience."""
SECONDS = 5.0


@contextmanager
def crawling(target: Target, count: int, first: bytes, then: bytes) -> Iterator[None]:
    """So many clients who have sent `first`, and send one byte of `then` each half second.

    They read nothing. The target may hang up on them.
    """
    over = threading.Event()
    with ExitStack() as stack:
        clients = [stack.enter_context(_client(target)) for _ in range(count)]
        for client in clients:
            with suppress(OSError):
                client.sendall(first)
        feeder = threading.Thread(target=_feed, args=(clients, then, over), daemon=True)
        feeder.start()
        try:
            yield
        finally:
            over.set()
            feeder.join()
        target.record("slow clients that are still connected", sum(map(_is_open, clients)))


def _client(target: Target) -> socket.socket:
    try:
        return target.rest.dial(SECONDS)
    except OSError as error:
        raise Untestable(f"so many connections cannot be opened: {error}") from None


def _feed(clients: Sequence[socket.socket], bytes_left: bytes, over: threading.Event) -> None:
    for byte in bytes_left:
        if over.wait(PAUSE):
            return
        for client in clients:
            with suppress(OSError):
                client.send(bytes([byte]))


def _is_open(client: socket.socket) -> bool:
    """Whether the target has not hung up, nor answered."""
    client.setblocking(False)
    try:
        client.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    return False
