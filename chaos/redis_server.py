"""A real Redis on a loopback port, which can be stopped, started again, slowed and emptied."""

import contextlib
import shutil
import socket
import subprocess
import time
from pathlib import Path

__all__ = ["RedisServer"]

START_SECONDS = 5.0
STOP_SECONDS = 5.0


class RedisServer:
    """One Redis that keeps nothing on disk.

    Args:
        folder: its working directory.
        port: where it listens.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.url = f"redis://127.0.0.1:{port}/0"
        self._folder = folder
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def is_installed() -> bool:
        """Whether this machine has a Redis to run."""
        return shutil.which("redis-server") is not None

    def start(self) -> None:
        """Starts it, empty.

        Raises:
            TimeoutError: it does not answer.
        """
        options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            ["redis-server", "--port", str(self._port), "--dir", str(self._folder), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError):
                if self.command("PING").startswith(b"+PONG"):
                    return
            time.sleep(0.02)
        raise TimeoutError(f"redis-server does not answer on port {self._port}")

    def stop(self) -> None:
        """Ends it at once."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait(STOP_SECONDS)
        self._process = None

    def slow_down(self, seconds: float) -> None:
        """Has it answer nothing for a while; what is asked meanwhile is answered afterwards."""
        self.command("CLIENT", "PAUSE", str(round(seconds * 1000)), "ALL")

    def command(self, *words: str) -> bytes:
        """Sends one command; returns the beginning of the answer."""
        with socket.create_connection(("127.0.0.1", self._port), START_SECONDS) as connection:
            connection.sendall(" ".join(words).encode() + b"\r\n")
            return connection.recv(4096)
