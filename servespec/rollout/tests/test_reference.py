"""Versions inside one reference server, through its operator's door."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from servespec.fixtures import build

from ..routers import ReferenceRouter, RouterError

TOKEN = "a-token-of-the-tests"
X = {"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [0.0]}


@pytest.fixture
def doors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Where a server of `constant` listens."""
    monkeypatch.setenv("SERVESPEC_ADMIN_TOKEN", TOKEN)
    build(tmp_path / "models", ["constant"])
    words = [sys.executable, "-m", "servespec.suites.reference_server", "--providers", "cpu"]
    words += ["--models", str(tmp_path / "models"), "--state", str(tmp_path)]
    words += ["--http-port", "0", "--grpc-port", "0", "--admin-port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = dict(word.split("=") for word in line.split() if "=" in word)
            while httpx.get(f"http://{found['http']}/v2/health/ready").status_code != 200:
                pass
            yield found
        finally:
            process.kill()


@contextlib.contextmanager
def operator(doors: dict[str, str], token: str = TOKEN) -> Iterator[ReferenceRouter]:
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"http://{doors['admin']}", headers=headers) as client:
        yield ReferenceRouter(client, "constant")


def test_shares_are_read_set_and_in_force_at_once(doors: dict[str, str]) -> None:
    url = f"http://{doors['http']}/v2/models/constant/infer"
    with operator(doors) as router:
        assert list(router.versions()) == ["1", "2"]
        assert router.get() == {"1": 0.0, "2": 1.0}
        for version in ("1", "2") * 3:
            router.set({version: 3.0})
            said = httpx.post(url, json={"inputs": [X]}).json()
            assert (said["model_version"], said["outputs"][0]["data"]) == (
                version,
                [float(version)],
            )
        router.set({"1": 9, "2": 1})
        assert router.get() == {"1": 0.9, "2": 0.1}


def test_what_else_was_set_stays(doors: dict[str, str]) -> None:
    with operator(doors) as router:
        client = router._client
        body = {"weights": {"1": 1}, "sticky": {"header": "user"}}
        client.put("/admin/models/constant/routes", json=body)
        router.set({"1": 1, "2": 1})
        routes = client.get("/admin/state").json()["models"][0]["routes"]
    assert routes["sticky"] == {"header": "user", "parameter": None}


def test_what_it_may_not_do_or_cannot_reach_is_told(doors: dict[str, str]) -> None:
    with operator(doors, "wrong") as router, pytest.raises(RouterError, match="401: expected the"):
        router.get()
    with operator(doors) as router, pytest.raises(RouterError, match="unknown version '7'"):
        router.set({"7": 1})
    with httpx.Client(base_url="http://127.0.0.1:1") as client, pytest.raises(RouterError):
        ReferenceRouter(client, "constant").get()
