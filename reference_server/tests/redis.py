"""A Redis of our own, which comes and goes as a test has it."""

import contextlib
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

__all__ = ["RedisServer", "redis_running"]

SECONDS = 10.0


class RedisServer:
    """A real server behind a socket in a folder; it keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "redis.sock"
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Where it is, whether it runs or not."""
        return f"unix://{self._socket}"

    def start(self) -> None:
        """Run it until it takes connections."""
        flags = ("--port", "0", "--save", "", "--unixsocket", str(self._socket))
        process = subprocess.Popen(["redis-server", *flags], text=True, stdout=subprocess.PIPE)
        self._process = process
        assert process.stdout is not None
        assert any("ready to accept connections" in line for line in process.stdout)

    def stop(self) -> None:
        """End it, at once, whatever it is at."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate(timeout=SECONDS)

    def freeze(self) -> None:
        """Have it take connections, and answer nobody."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on where it was."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def command(self, *words: str) -> str:
        """Have an operator's command executed."""
        ran = subprocess.run(
            ["redis-cli", "-s", str(self._socket), *words],
            capture_output=True, text=True, timeout=SECONDS, check=True,
        )  # fmt: skip
        return ran.stdout.strip()


@contextlib.contextmanager
def redis_running(folder: Path) -> Iterator[RedisServer]:
    """Run a Redis in this folder; where there is no such program the test is skipped."""
    if shutil.which("redis-server") is None or shutil.which("redis-cli") is None:
        pytest.skip("needs redis-server and redis-cli")
    server = RedisServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
