"""The process of a proxy, on a port of the loopback interface."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Sequence

from .router import RouterError

__all__ = ["POLL", "SECONDS", "Proxy"]

SECONDS = 10.0
POLL = 0.01


class Proxy:
    """A process that is started once and stopped for good.

    Args:
        name: for what is said of it.
        port: where it listens.
        complaint: what it has said last.
    """

    def __init__(self, name: str, port: int, complaint: Callable[[], str]) -> None:
        self._name = name
        self._port = port
        self._complaint = complaint
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def started(self) -> bool:
        """Whether it was started, and not stopped since."""
        return self._process is not None

    def start(self, command: Sequence[str]) -> None:
        """Start it, and wait until it listens.

        Raises:
            RouterError: it does not, and is gone again; or another one listens there.
        """
        if self._listens():
            raise RouterError(f"{self._name}: port {self._port} is taken")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            if self._listens():
                return
            time.sleep(POLL)
        self.stop()
        raise RouterError(f"{self._name} does not listen on port {self._port}: {self._complaint()}")

    def _listens(self) -> bool:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self._port), 1.0),
        ):
            return True
        return False

    def running(self) -> "subprocess.Popen[bytes]":
        """Return its process.

        Raises:
            RouterError: it does not run.
        """
        if self._process is None or self._process.poll() is not None:
            raise RouterError(f"{self._name} is not running: {self._complaint()}")
        return self._process

    def stop(self) -> None:
        """End it and its workers at once."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
