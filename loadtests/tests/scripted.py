"""A server whose times are known: `python -m loadtests.tests.scripted` prints its port.

The path says how it takes its time, and its log how long it took: a line for each request goes to
standard error, the seconds that it was meant to take. It ends with its standard input.

`/x1.2/...`: 1.2 times a lognormal time of median 50 ms and sigma 0.25, whatever else runs.
`/one5/...`: 5 ms each, one request after the other: 200 a second at most.
"""

import asyncio
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REQUEST = re.compile(rb"POST /(x|one)([0-9.]+)/.*?\r\n\r\n", re.DOTALL)
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
MEDIAN, SIGMA = 0.050, 0.25


class Scripted(asyncio.Protocol):
    """Answers each complete request when its time is over."""

    free = 0.0  # when the one behind all connections has nothing to do any more

    def __init__(self) -> None:
        self.received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to answer."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Serve what has become complete."""
        self.received += data
        head = REQUEST.match(bytes(self.received))
        if head is None:
            return
        length = LENGTH.search(head[0])
        end = head.end() + int(length[1] if length else 0)
        if len(self.received) >= end:
            del self.received[:end]
            self.serve(head[1], float(head[2]))

    def serve(self, how: bytes, value: float) -> None:
        """Take the time that the path asks for."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if how == b"x":
            queued, seconds = 0.0, value * random.lognormvariate(0, SIGMA) * MEDIAN
        else:
            queued, seconds = max(0.0, Scripted.free - now), value / 1000
            Scripted.free = now + queued + seconds
        sys.stderr.write(f"{seconds:.6f}\n")
        loop.call_at(now + queued + seconds, self.answer, queued, seconds)

    def answer(self, queued: float, seconds: float) -> None:
        """Answer, and say how long each part took."""
        total = queued + seconds
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
            b"Server-Timing: queue;dur=%.3f, compute;dur=%.3f, total;dur=%.3f\r\n\r\n{}"
            % (queued * 1000, seconds * 1000, total * 1000)
        )


@contextmanager
def scripted(log: Path) -> Iterator[str]:
    """Run it for a block; gives its address."""
    command = [sys.executable, "-m", __name__]
    pipe = subprocess.PIPE
    with (
        log.open("wb") as told,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=told) as server,
    ):
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.communicate(timeout=10)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Scripted, "127.0.0.1", 0)
    async with server:
        sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
