"""A server with a JSON interface of its own: it adds up rows, and remembers what it was asked."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Predicting", "predicting"]

SECONDS = 0.01
"""That an answer takes, beside which a busy machine's pauses are short."""


class Predicting(ThreadingHTTPServer):
    """POST /predict with `instances` is answered with `predictions`; `silent` ids get none.

    Attributes:
        asked: each request that came: path, head and body.
        silent: the ids whose answer is a success without a prediction.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.silent: set[int] = set()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Predicting

    def do_POST(self) -> None:  # the standard library's name
        length = int(self.headers["Content-Length"])
        document = json.loads(self.rfile.read(length))
        time.sleep(SECONDS)
        self.server.asked.append((self.path, dict(self.headers), document))
        answer = {"predictions": [{"score": sum(row)} for row in document["instances"]]}
        if document.get("id") in self.server.silent:
            answer = {"predictions": []}
        body = json.dumps(answer).encode()
        head = f"HTTP/1.1 201 Created\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def predicting() -> Iterator[Predicting]:
    """Run one for a block."""
    with Predicting() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
