"""With --model-control poll, what is on disk is served, and nothing else decides."""

import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from .models import write_model, write_models
from .operating import TOKEN, Operated, Stream, operated
from .serving import SECONDS

ABS = "(float[N] x) => (float[N] y) { y = Abs(x) }"
BOTH = {"2": "READY", "10": "READY"}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Operated]:
    """A server that looks at its files twenty times a second."""
    monkeypatch.setenv("SERVESPEC_ADMIN_TOKEN", TOKEN)
    models = write_models(tmp_path, "versioned/2", "versioned/10")
    with operated(models, "--model-control", "poll", "--poll-seconds", "0.05") as running:
        yield running


def becomes(server: Operated, states: Mapping[str, str]) -> None:
    """Wait until the versions are in these states."""
    end = time.monotonic() + SECONDS
    while (found := server.states("versioned")) != states:
        assert time.monotonic() < end, f"{found} instead of {states}"


def move_in(server: Operated, name: str, graph: str) -> None:
    """Put a version there at one moment, as a deployment does."""
    beside = server.models / ".coming" / name
    write_model(beside, graph)
    beside.rename(server.models / name)


def test_a_version_that_comes_is_served_and_one_that_goes_is_not(server: Operated) -> None:
    with Stream(server.served.doors["http"], "/v2/models/versioned/infer") as clients:
        move_in(server, "versioned/11", ABS)
        becomes(server, {**BOTH, "11": "READY"})
        shutil.rmtree(server.models / "versioned" / "11")
        becomes(server, BOTH)
    assert {status for status, _, _ in clients.answers} == {200}
    assert {version for _, version, _ in clients.answers} == {"10", "11"}


def test_a_version_that_is_refused_is_tried_again_when_it_has_changed(server: Operated) -> None:
    folder = server.models / "versioned" / "11"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"half a mod")
    becomes(server, {**BOTH, "11": "UNAVAILABLE"})
    becomes_refused(server, "11", "INVALID_PROTOBUF")
    assert server.value("versioned") == ("10", -1.0)
    write_model(folder, ABS)
    becomes(server, {**BOTH, "11": "READY"})
    server.served.stop()
    assert server.served.process.stderr is not None
    assert server.served.process.stderr.read().count("version '11' is not loaded") <= 2


def becomes_refused(server: Operated, version: str, why: str) -> None:
    """Wait until it was tried."""
    end = time.monotonic() + SECONDS
    while why not in server.index().get(("versioned", version), {}).get("reason", ""):
        assert time.monotonic() < end


def test_the_last_good_version_stays_while_the_one_that_replaces_it_is_refused(
    server: Operated,
) -> None:
    (server.models / "versioned" / "model.toml").write_text("[versions]\nlatest = 1")
    becomes(server, {"2": "UNAVAILABLE", "10": "READY"})
    move_in(server, "versioned/11", "(float[N] z) => (float[N] y) { y = Identity(z) }")
    becomes_refused(server, "11", "input 'x' is missing")
    assert server.value("versioned") == ("10", -1.0)


def test_nobody_else_loads_or_unloads(server: Operated) -> None:
    for verb in ("load", "unload"):
        answer = server.change(verb, "versioned")
        assert answer.status_code == 409
        assert answer.json()["error"].startswith("--model-control poll: the files decide")
