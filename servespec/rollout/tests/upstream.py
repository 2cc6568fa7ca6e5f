"""Servers that say which version they are: the ones behind a proxy."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Upstream", "upstreams"]


class Upstream(ThreadingHTTPServer):
    """Answers each request with its version; keeps count.

    Attributes:
        asked: the paths of all requests.
        held: what a request waits for before it is answered.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, version: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.version = version
        self.asked: list[str] = []
        self._came = threading.Condition()
        self.held = threading.Event()
        self.held.set()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a proxy that has left."""

    def ask(self, path: str) -> None:
        """Count a request."""
        with self._came:
            self.asked.append(path)
            self._came.notify_all()

    def wait_asked(self, count: int, seconds: float = 5.0) -> list[str]:
        """The paths of all requests, when so many have come or the time is over."""
        with self._came:
            self._came.wait_for(lambda: len(self.asked) >= count, seconds)
            return [*self.asked]

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Upstream

    def do_POST(self) -> None:
        """Answer when that is allowed."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.ask(self.path)
        self.server.held.wait(20.0)
        body = json.dumps({"model_version": self.server.version}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def upstreams(*versions: str) -> Iterator[dict[str, Upstream]]:
    """One for each version."""
    with ExitStack() as opened:
        servers = {version: opened.enter_context(Upstream(version)) for version in versions}
        for server in servers.values():
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            opened.callback(server.shutdown)
            opened.callback(server.held.set)
        yield servers
