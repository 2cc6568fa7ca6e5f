"""A server that does to each request what a script says, one after the other, and keeps count."""

import re
import socket
import socketserver
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

__all__ = ["Misbehaving", "Reply", "misbehaving"]

NUMBER = re.compile(rb"\r\nx-request-id: *(\d+)", re.IGNORECASE)
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request gets.

    Attributes:
        status: of the answer; 0: there is none, the connection is closed.
        seconds: that it takes, in which nobody else is served.
        hangs: no answer ever comes.
        closes: the connection is closed behind the answer, which does not say so.
    """

    status: int = 200
    seconds: float = 0.0
    hangs: bool = False
    closes: bool = False


Script = Callable[[int], Reply]
"""From the request's number in the schedule."""


class Misbehaving(socketserver.ThreadingTCPServer):
    """The server.

    Attributes:
        accepted: when each connection was, by the monotonic clock.
        asked: the numbers of the requests that came, in order, with all bytes of each.
        broken: what the script itself did wrong.
        busy: who has it is served.
        stopped: set at the end.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, script: Script, tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.script = script
        self.tls = tls
        self.accepted: list[float] = []
        self.asked: list[tuple[int, bytes]] = []
        self.broken: list[BaseException | None] = []
        self.busy = threading.Lock()
        self.stopped = threading.Event()

    @property
    def url(self) -> str:
        """Its address."""
        host, port = self.server_address[:2]
        return f"{'https' if self.tls else 'http'}://{host!s}:{port}"

    @property
    def numbers(self) -> list[int]:
        """Of the requests that came."""
        return [number for number, _ in self.asked]

    def get_request(self) -> tuple[Any, Any]:
        """Accept; the handshake is done where the connection is served."""
        accepted, address = super().get_request()
        self.accepted.append(time.monotonic())
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return accepted, address

    def handle_error(self, *_: Any) -> None:
        """A client that has gone is no error; all else is."""
        error = sys.exception()
        if not isinstance(error, OSError):
            self.broken.append(error)


class _Connection(socketserver.BaseRequestHandler):
    server: Misbehaving

    def handle(self) -> None:
        """Answer one request after the other."""
        if self.server.tls is not None:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        with self.request, self.request.makefile("rb") as received:
            while self._answered(received):
                pass

    def _answered(self, received: Any) -> bool:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = received.readline()
            if not line:
                return False
            head += line
        length, number = LENGTH.search(head), NUMBER.search(head)
        assert length
        assert number
        body = received.read(int(length[1]))
        self.server.asked.append((int(number[1]), head + body))
        return self._reply(self.server.script(int(number[1])))

    def _reply(self, reply: Reply) -> bool:
        if reply.hangs:
            self.server.stopped.wait()
            return False
        with self.server.busy:
            if reply.seconds:
                self.server.stopped.wait(reply.seconds)
        if not reply.status:
            return False
        line = f"HTTP/1.1 {reply.status} Whatever\r\nContent-Length: 2\r\n\r\n{{}}"
        self.request.sendall(line.encode())
        return not reply.closes


@contextmanager
def misbehaving(script: Script, tls: ssl.SSLContext | None = None) -> Iterator[Misbehaving]:
    """Run a server for a block."""
    with Misbehaving(script, tls) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.stopped.set()
            server.shutdown()
            thread.join()
        assert server.broken == []
