"""Replicas of one server on this machine, behind a proxy that follows their readiness."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from servespec.target.manifest import Manifest
from servespec.target.process import TargetProcess, free_port
from servespec.target.readiness import answers_rest

from .nginx import Nginx

__all__ = ["Fleet", "fleet"]

POLL_SECONDS = 0.2
"""How often the readiness of a replica is asked, as a kubelet or a balancer does."""
WAIT_SECONDS = 60.0


class Fleet:
    """Some replicas, the proxy before them, and a poller of their readiness.

    A replica that is not ready is taken out of the proxy, one that is ready again is put back. The
    last one stays in: without any the proxy would have nobody to ask.

    Attributes:
        url: the proxy's.
        replicas: the server processes.
    """

    def __init__(self, replicas: Sequence[TargetProcess], proxy: Nginx) -> None:
        self.url = proxy.url
        self.replicas = replicas
        self._proxy = proxy
        self._routed: frozenset[int] = frozenset()
        self._changed = threading.Condition()
        self._over = threading.Event()

    def restart(self, index: int) -> int:
        """Stops a replica by SIGTERM and starts it again; returns when it is routed to again.

        Returns:
            The exit code after SIGTERM.

        Raises:
            TimeoutError: it was not taken out, did not end, or was not put back.
        """
        replica = self.replicas[index]
        replica.signal(signal.SIGTERM)
        self._wait_until(lambda: index not in self._routed, f"replica {index} is still asked")
        code = _exit_code(replica)
        replica.restart()
        self._wait_until(lambda: index in self._routed, f"replica {index} is not asked again")
        return code

    def poll(self) -> None:
        """Follows the readiness of the replicas until the fleet ends."""
        while not self._over.wait(POLL_SECONDS):
            ready = frozenset(
                index for index, replica in enumerate(self.replicas) if _is_ready(replica)
            )
            if ready and ready != self._routed:
                self.route(ready)

    def route(self, indices: frozenset[int]) -> None:
        """Has the proxy ask these replicas and no others."""
        self._proxy.route([_address(self.replicas[index]) for index in sorted(indices)])
        with self._changed:
            self._routed = indices
            self._changed.notify_all()

    def _wait_until(self, promise: Callable[[], bool], otherwise: str) -> None:
        with self._changed:
            if not self._changed.wait_for(promise, WAIT_SECONDS):
                raise TimeoutError(otherwise)

    def close(self) -> None:
        """Stops polling."""
        self._over.set()


@contextlib.contextmanager
def fleet(manifest: Manifest, models: Path, folder: Path, *, size: int) -> Iterator[Fleet]:
    """Starts `size` replicas and the proxy; all are ready and routed to. Nothing of it is left."""
    with contextlib.ExitStack() as stack:
        replicas = [
            stack.enter_context(
                TargetProcess.start(manifest, models=models, log=folder / f"replica-{index}.log")
            )
            for index in range(size)
        ]
        for replica in replicas:
            replica.wait_ready()
        proxy = Nginx(folder, free_port())
        stack.callback(proxy.stop)
        started = Fleet(replicas, proxy)
        started.route(frozenset(range(size)))
        poller = threading.Thread(target=started.poll, daemon=True)
        poller.start()
        stack.callback(poller.join, WAIT_SECONDS)
        stack.callback(started.close)
        yield started


def _exit_code(replica: TargetProcess) -> int:
    deadline = time.monotonic() + WAIT_SECONDS
    while replica.alive() is None and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS / 10)
    if replica.code is None:
        raise TimeoutError(f"a replica had not exited {WAIT_SECONDS:g} s after SIGTERM")
    return replica.code


def _is_ready(replica: TargetProcess) -> bool:
    return answers_rest(replica.addresses.rest or "", "/v2/health/ready", {}, None) is None


def _address(replica: TargetProcess) -> str:
    return (replica.addresses.rest or "").rpartition("/")[2]
