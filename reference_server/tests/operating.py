"""A server whose operator changes it at run time, and clients who ask meanwhile."""

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from .serving import SECONDS, Served, serving

__all__ = ["TOKEN", "Operated", "Stream", "asked", "operated"]

TOKEN = "correct-horse"
AUTHORIZATION = {"Authorization": f"Bearer {TOKEN}"}


@dataclass(frozen=True)
class Operated:
    """A running server and its operator."""

    served: Served
    models: Path

    def change(self, verb: str, model: str, version: str = "", **members: Any) -> httpx.Response:
        """Load or unload."""
        if version:
            members["parameters"] = {"version": version}
        path = f"/v2/repository/models/{model}/{verb}"
        return self.served.rest.post(path, headers=AUTHORIZATION, json=members)

    def index(self, **members: Any) -> dict[tuple[str, str], Mapping[str, str]]:
        """What there is, by model and version."""
        answer = self.served.rest.post("/v2/repository/index", headers=AUTHORIZATION, json=members)
        assert answer.status_code == 200
        return {(row["name"], row["version"]): row for row in answer.json()}

    def states(self, model: str) -> dict[str, str]:
        """The state of each version of a model."""
        return {v: row["state"] for (name, v), row in self.index().items() if name == model}

    def value(self, model: str, version: str = "") -> tuple[str, float]:
        """Which version answers 1, and with what."""
        path = f"/v2/models/{model}/versions/{version}" if version else f"/v2/models/{model}"
        answer = self.served.rest.post(f"{path}/infer", json=BODY)
        assert answer.status_code == 200, answer.text
        return answer.json()["model_version"], answer.json()["outputs"][0]["data"][0]


BODY = {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1.0]}]}


@contextlib.contextmanager
def operated(models: Path, *flags: str | Path) -> Iterator[Operated]:
    """Run a server with the repository extension, which is ready; the token is in its environment.

    It is set by the fixture `token`.
    """
    with serving(models, "--repository-api", *map(str, flags)) as served:
        yield Operated(served.becomes_ready(), models)


def asked(address: str, path: str, seconds: float = SECONDS) -> tuple[int, str, float]:
    """Ask on a connection of its own: the status, the version that answered, and its value."""
    connection = http.client.HTTPConnection(address, timeout=seconds)
    try:
        connection.request("POST", path, json.dumps(BODY), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        said = json.loads(answer.read())
    finally:
        connection.close()
    if answer.status != 200:
        return answer.status, "", 0.0
    return 200, said["model_version"], said["outputs"][0]["data"][0]


@dataclass
class Stream:
    """Asks at fixed times while its block runs, whether or not it is answered (open loop).

    Attributes:
        answers: what came, in the order that it was asked.
    """

    address: str
    path: str
    rate: float = 100.0
    answers: list[tuple[int, str, float]] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Stream":
        self._clock = threading.Thread(target=self._run)
        self._clock.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._clock.join()

    def _run(self) -> None:
        futures = list[Future[tuple[int, str, float]]]()
        with ThreadPoolExecutor(64) as pool:
            due = time.monotonic()
            while not self._over.wait(max(0.0, due - time.monotonic())):
                futures.append(pool.submit(asked, self.address, self.path))
                due += 1 / self.rate
        self.answers += [future.result() for future in futures]
