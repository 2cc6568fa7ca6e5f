"""A server that keeps count of its own times, and tells them as Triton does or as metrics."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["KeepingCount", "keeping_count"]

QUEUE, INFER, REST = 0.002, 0.006, 0.001
METRICS = "# TYPE {name} histogram\n" + "".join(
    f'{{name}}_{suffix}{{{{model="identity_fp32"}}}} {{{key}}}\n'
    for suffix, key in (("sum", "sum"), ("count", "count"))
)


class KeepingCount(ThreadingHTTPServer):
    """Each answer takes 9 ms: 2 in the queue, 6 in the model, 1 that is counted nowhere.

    Attributes:
        tells: `statistics`, `metrics` or nothing.
        strangers: requests of others that are counted as well, to each of ours.
        timing: the Server-Timing of each answer.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, tells: str, strangers: int, timing: str) -> None:
        super().__init__(("127.0.0.1", 0), _Counting)
        self.tells = tells
        self.strangers = strangers
        self.timing = timing
        self.count = 41  # of earlier times
        self.busy = threading.Lock()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def page(self, path: str) -> bytes:
        """What it tells at a path; nothing where that is none."""
        if (path, self.tells) == ("/v2/models/identity_fp32/stats", "statistics"):
            return json.dumps({"model_stats": [{"inference_stats": self._statistics()}]}).encode()
        if (path, self.tells) == ("/metrics", "metrics"):
            return self._metrics().encode()
        return b""

    def _statistics(self) -> dict[str, Any]:
        taken = {"success": QUEUE + INFER + REST, "queue": QUEUE, "compute_infer": INFER}
        taken |= {"compute_input": 0.0, "compute_output": 0.0}
        return {
            name: {"count": self.count, "ns": round(self.count * seconds * 1e9)}
            for name, seconds in taken.items()
        }

    def _metrics(self) -> str:
        taken = {"request": QUEUE + INFER + REST, "queue": QUEUE, "compute": INFER}
        return "".join(
            METRICS.format(
                name=f"inference_{name}_seconds", sum=self.count * seconds, count=self.count
            )
            for name, seconds in taken.items()
        )


class _Counting(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: KeepingCount

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(QUEUE + INFER + REST)
        with self.server.busy:
            self.server.count += 1 + self.server.strangers
        self._answer(200, b"{}", {"Server-Timing": self.server.timing})

    def do_GET(self) -> None:
        page = self.server.page(self.path)
        self._answer(200 if page else 404, page, {})

    def _answer(self, status: int, body: bytes, fields: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**fields, "Content-Length": str(len(body))}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def keeping_count(tells: str, strangers: int = 0, timing: str = "") -> Iterator[KeepingCount]:
    """Run one for a block."""
    with KeepingCount(tells, strangers, timing) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
