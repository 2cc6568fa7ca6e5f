"""A real server in a thread, and a client that says what it likes to it."""

import asyncio
import json
import socket
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from ...http import (
    Handler,
    HttpLimits,
    HttpProtocol,
    HttpRequest,
    HttpResponse,
    HttpServer,
    ProtocolFactory,
)

Result = TypeVar("Result")

PATIENCE = 5.0  # seconds before a test that waits for the server fails
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@dataclass(frozen=True)
class Answer:
    """One answer as read from the wire; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


class Client:
    """A raw connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._input = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave."""
        self._input.close()
        self.socket.close()

    def send(self, data: bytes) -> Self:
        """Say it, all of it."""
        self.socket.sendall(data)
        return self

    def head(self) -> Answer:
        """The next answer's head, without a body: 100 Continue, or the answer to HEAD."""
        status = int(self._input.readline().split()[1])
        headers = {}
        while line := self._input.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return Answer(status, headers, b"")

    def answer(self) -> Answer:
        """The next answer."""
        head = self.head()
        length = int(head.headers.get("content-length", 0))
        return Answer(head.status, head.headers, self._input.read(length))

    def read(self, length: int) -> bytes:
        """Bytes as they come."""
        return self._input.read(length)

    def rest(self) -> bytes:
        """Everything until the server ends the connection."""
        return self._input.read()

    def send_for_ever(self, data: bytes) -> None:
        """Say it until the connection breaks."""
        while True:
            self.send(data)

    def half_close(self) -> Self:
        """Say nothing more, but stay to listen."""
        self.socket.shutdown(socket.SHUT_WR)
        return self


class Served:
    """The running server. Its loop runs in a thread of its own."""

    def __init__(self, server: HttpServer, loop: asyncio.AbstractEventLoop) -> None:
        self.server = server
        self.loop = loop

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run on the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE)

    def connect(self) -> Client:
        """A fresh connection."""
        return Client(self.server.port)

    def ask(self, data: bytes) -> Answer:
        """One answer on a fresh connection."""
        with self.connect() as client:
            return client.send(data).answer()


async def echo(request: HttpRequest) -> HttpResponse:
    """Answers with the request, in JSON."""
    said = {
        "method": request.method,
        "target": request.target,
        "headers": dict(request.headers),
        "body": request.body.decode("latin-1"),
    }
    return HttpResponse(200, json.dumps(said).encode(), (("Content-Type", "application/json"),))


@contextmanager
def serving(
    handler: Handler = echo,
    limits: HttpLimits | None = None,
    *,
    port: int = 0,
    reuse_port: bool = False,
    protocol: ProtocolFactory = HttpProtocol,
) -> Iterator[Served]:
    """Serve until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = HttpServer(handler, limits, port=port, reuse_port=reuse_port, protocol=protocol)
    served = Served(server, loop)
    try:
        served.run(served.server.start())
        yield served
    finally:
        served.run(served.server.close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
