"""The repository extension of a server of a check's own, which hosts a model of two versions."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from servespec.target.exchange import Exchange
from servespec.target.target import Target

from ..strategies import SCALAR, request

__all__ = ["FIXTURE", "Repository", "access", "repository"]

FIXTURE = "constant"
"""Each version answers with its own number."""
SECONDS = 30.0
"""Harness: how long a load, or a drain, is waited for."""
POLL = 0.05


@dataclass(frozen=True, slots=True)
class Repository:
    """A server whose models can be loaded and unloaded.

    Attributes:
        target: to ask it.
        model: what the fixture is called there.
        headers: what those say who may change it; empty where all may.
        settled_seconds: how long after its answer a load or an unload is claimed to take effect.
    """

    target: Target
    model: str
    headers: Mapping[str, str]
    settled_seconds: float = 0.0

    def index(self, body: bytes | Mapping[str, Any] = b"{}") -> Exchange:
        """Ask what there is."""
        return self.target.rest.post("/v2/repository/index", body, headers=self.headers)

    def rows(self, body: bytes | Mapping[str, Any] = b"{}") -> list[Mapping[str, Any]]:
        """What there is; the answer must be a list of objects."""
        rows = self.index(body).must_succeed().json()
        assert isinstance(rows, list), f"the index is no array but {type(rows).__name__}"
        assert all(isinstance(row, dict) for row in rows), "the index has rows that are no objects"
        return rows

    def states(self, body: bytes | Mapping[str, Any] = b"{}") -> list[str]:
        """The states of the versions of the model that are listed."""
        return [str(row.get("state")) for row in self.rows(body) if row.get("name") == self.model]

    def change(
        self, verb: str, parameters: Mapping[str, Any] | None = None, *, model: str | None = None
    ) -> Exchange:
        """Load or unload."""
        body = {} if parameters is None else {"parameters": parameters}
        path = f"/v2/repository/models/{model or self.model}/{verb}"
        return self.target.rest.post(path, body, headers=self.headers, timeout=SECONDS)

    def unloaded(self) -> None:
        """Unload the model, and see it go."""
        self.change("unload").must_succeed()
        self.must_become(ready=False)

    def ready(self) -> bool:
        """Whether the model says that it is."""
        path = f"/v2/models/{self.model}/ready"
        return self.target.rest.get(path).must_answer_at_all().status == 200

    def must_become(self, *, ready: bool) -> None:
        """FAIL unless the model is ready, or not, as soon as is claimed."""
        end = time.monotonic() + self.settled_seconds
        while self.ready() is not ready:
            found = "not ready" if ready else "still ready"
            late = f"{self.settled_seconds:g} s after the answer the model is {found}"
            assert time.monotonic() < end, late
            time.sleep(POLL)

    def infer(self) -> Exchange:
        """Ask the model, and no version of it."""
        return self.target.rest.infer(FIXTURE, request(SCALAR))

    def must_serve(self) -> None:
        """FAIL unless the answer is what the version computes that it names."""
        answer = self.infer().must_succeed()
        version, values = answer.answer("model_version"), answer.values("y")
        assert values == [float(version)], f"version {version} answers {values}"


def access(target: Target) -> tuple[list[str], Mapping[str, str]]:
    """What a server is started with that can be changed, and the headers of those who may do so."""
    arguments = target.claim("repository", "arguments", [])
    authorization = target.claim("repository", "authorization")
    headers = {} if authorization is None else {"Authorization": str(authorization)}
    return [*map(str, arguments)], headers


@contextmanager
def repository(target: Target) -> Iterator[Repository]:
    """Start a server that can be changed at run time: the target file says how."""
    arguments, headers = access(target)
    settled = float(target.claim("repository", "settled_seconds", 0.0))
    with target.fresh(FIXTURE, arguments=arguments) as instance:
        model = instance.target.fixture(FIXTURE).model
        yield Repository(instance.target, model, headers, settled)
