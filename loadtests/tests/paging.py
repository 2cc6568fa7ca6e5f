"""Locust with its page, in a process of its own, against a server that does nothing."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from servespec.target.process import free_port

__all__ = ["Paging", "paging"]

LOCUSTFILE = Path(__file__).parents[1] / "locustfile.py"
SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Paging:
    """Locust's page.

    Attributes:
        url: of it.
        target: the address of a server that answers at once.
    """

    url: str
    target: str

    def text(self, path: str = "") -> str:
        """A page."""
        return httpx.get(f"{self.url}{path}", timeout=SECONDS).raise_for_status().text

    def start(self, **form: str) -> None:
        """Send the form, as the button does."""
        answer = httpx.post(f"{self.url}/swarm", data={"host": self.target, **form})
        assert answer.json()["success"], answer.text

    def stop(self) -> None:
        """Press the other button."""
        httpx.post(f"{self.url}/stop", timeout=SECONDS).raise_for_status()

    def state(self) -> Any:
        """What the tab shows now."""
        return httpx.get(f"{self.url}/tail-latency/state.json", timeout=SECONDS).json()

    def until(self, wanted: Callable[[Any], object]) -> Any:
        """The first state that is wanted."""
        end = time.monotonic() + SECONDS
        while not wanted(state := self.state()):
            assert time.monotonic() < end, state
            time.sleep(0.1)
        return state


@contextmanager
def paging() -> Iterator[Paging]:
    """Start both, and end both."""
    with ExitStack() as opened:
        null = [sys.executable, "-m", "loadtests.calibration.null_server", "rest"]
        server = opened.enter_context(
            subprocess.Popen(null, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
        assert server.stdin is not None
        assert server.stdout is not None
        opened.callback(server.stdin.close)
        port = free_port()
        words = ["-f", str(LOCUSTFILE), "--web-host", "127.0.0.1", "--web-port", str(port)]
        locust = opened.enter_context(
            subprocess.Popen([sys.executable, "-m", "locust", *words], stderr=subprocess.DEVNULL)
        )
        opened.callback(locust.terminate)
        page = Paging(
            f"http://127.0.0.1:{port}", f"http://127.0.0.1:{int(server.stdout.readline())}"
        )
        _ready(page, locust)
        yield page


def _ready(page: Paging, locust: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + SECONDS
    while True:
        try:
            page.state()
        except httpx.ConnectError:
            assert locust.poll() is None
            assert time.monotonic() < end
            time.sleep(0.1)
        else:
            return
