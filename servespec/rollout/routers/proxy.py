"""The process of a proxy, and what routers have in common that are one before a fleet."""

import contextlib
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self

from .router import RouterError, shares

__all__ = ["POLL", "SECONDS", "Proxy", "ProxyRouter"]

SECONDS = 10.0
POLL = 0.01


class Proxy:
    """A process that listens on a port of the loopback interface.

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


class ProxyRouter(ABC):
    """A `Router` that is a process of its own, on a port of the loopback interface.

    Args:
        folder: for its configuration, its log and its temporary files.
        port: where it listens.
        upstreams: the `host:port` of the servers of each version, the oldest first.
        sticky: the header whose value keeps a client on its version.
        mirror: the version that is sent a copy of each request; None: none.

    Attributes:
        name: of the proxy.
        url: where it listens.
    """

    name: ClassVar[str]

    def __init__(
        self,
        folder: Path,
        port: int,
        upstreams: Mapping[str, Sequence[str]],
        *,
        sticky: str = "X-Sticky-Key",
        mirror: str | None = None,
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._folder = folder
        self._port = port
        self._upstreams = upstreams
        self._sticky = sticky
        self._mirror = mirror
        self._proxy = Proxy(self.name, port, self._complaint)
        self._shares: Mapping[str, float] = {}

    def versions(self) -> Sequence[str]:
        """Return the versions that have servers."""
        return [*self._upstreams]

    def get(self) -> Mapping[str, float]:
        """Return the shares that were set last."""
        return self._shares

    def set(self, weights: Mapping[str, float]) -> None:
        """Give each version its share; the first time starts the proxy.

        Raises:
            RouterError: it refuses them; nothing has changed.
        """
        found = shares(weights, self.versions())
        if self._mirror is not None and found.get(self._mirror) != 0.0:
            known = ", ".join(version for version, share in found.items() if not share)
            expected = f"expected a version without a share ({known})"
            raise RouterError(f"mirror: {expected}, not {self._mirror}")
        self._route(found)
        self._shares = found

    def stop(self) -> None:
        """End it and its workers at once."""
        self._proxy.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    @abstractmethod
    def _route(self, found: Mapping[str, float]) -> None:
        """Have these shares in force, or raise RouterError."""

    @abstractmethod
    def _complaint(self) -> str:
        """What the proxy has said last."""
