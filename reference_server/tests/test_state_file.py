"""What is asked at run time outlives the server, whatever ends it: all of it, or nothing."""

import signal
from pathlib import Path

import pytest
from msgspec import Struct

from ..errors import StartupError, StateNotKept
from ..state_file import StateFile
from .models import write_models
from .operating import TOKEN, Operated, operated
from .serving import launch

STEPS = """
import pathlib
import time

if pathlib.Path(__file__).with_name("slow").exists():
    time.sleep(60)

def same(tensors):
    return tensors
"""
"""Steps that take long to load, where there is a file that says so."""


class Content(Struct):
    """Something to keep."""

    number: int


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers of this module know the operator."""
    monkeypatch.setenv("SERVESPEC_ADMIN_TOKEN", TOKEN)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two versions of a model, and a place for the state."""
    (tmp_path / "state").mkdir()
    return write_models(tmp_path / "models", "versioned/2", "versioned/10"), tmp_path / "state"


def full(path: Path) -> None:
    """Have whoever writes this file next find the disk full."""
    path.with_name(f"{path.name}.new").symlink_to("/dev/full")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "state.json", Content)
    assert file.read() is None
    for number in (1, 2):
        file.write(Content(number))
        assert StateFile(tmp_path / "state.json", Content).read() == Content(number)
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "state.json", Content)
    file.write(Content(1))
    full(file.path)
    with pytest.raises(StateNotKept, match="cannot be kept: No space left on device"):
        file.write(Content(2))
    assert file.read() == Content(1)
    file.write(Content(3))
    assert file.read() == Content(3)


@pytest.mark.parametrize("content", [b"", b"{", b'{"number": "x"}', b"\xff"])
def test_what_is_no_state_of_ours_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state.json").write_bytes(content)
    with pytest.raises(StartupError, match=r"state\.json: expected a state of this server"):
        StateFile(tmp_path / "state.json", Content).read()


def test_what_is_loaded_is_loaded_after_a_restart(folders: tuple[Path, Path]) -> None:
    models, state = folders
    with operated(models, "--state", state) as server:
        server.change("unload", "versioned", "10")
        server.served.stop()
    with operated(models, "--state", state) as server:
        assert server.states("versioned") == {"2": "READY", "10": "UNAVAILABLE"}


def test_with_a_full_disk_nothing_changes(folders: tuple[Path, Path]) -> None:
    models, state = folders
    with operated(models, "--state", state) as server:
        server.change("unload", "versioned", "10")
        for verb, version in (("load", "10"), ("unload", "2"), ("load", "2")):
            full(state / "loaded.json")
            answer = server.change(verb, "versioned", version)
            assert answer.status_code == 507
            assert answer.json() == {"error": "the state cannot be kept: No space left on device"}
            assert server.states("versioned") == {"2": "READY", "10": "UNAVAILABLE"}
        server.served.process.kill()
    with operated(models, "--state", state) as server:
        assert server.states("versioned") == {"2": "READY", "10": "UNAVAILABLE"}
        assert server.change("load", "versioned", "10").status_code == 200


@pytest.mark.parametrize("verb", ["load", "unload"])
def test_who_is_killed_after_the_answer_has_done_what_was_asked(
    folders: tuple[Path, Path], verb: str
) -> None:
    models, state = folders
    with operated(models, "--state", state) as server:
        server.change("unload", "versioned", "10")
        server.change(verb, "versioned")
        server.served.process.kill()
    expected = "READY" if verb == "load" else "UNAVAILABLE"
    with operated(models, "--state", state) as server:
        assert server.states("versioned") == {"2": expected, "10": expected}


def test_who_is_killed_while_a_version_loads_comes_back_as_before(
    folders: tuple[Path, Path],
) -> None:
    models, state = folders
    (models / "versioned" / "steps.py").write_text(STEPS)
    (models / "versioned" / "model.toml").write_text('[steps]\npreprocess = "steps.py:same"')
    flags = ("--state", state, "--python-steps")
    with operated(models, *flags) as server:
        server.change("unload", "versioned", "10")
        begin_slow_load(server)
        assert server.value("versioned") == ("2", 1.0)
        server.served.process.send_signal(signal.SIGKILL)
        server.served.process.wait()
    (models / "versioned" / "slow").unlink()
    with operated(models, *flags) as server:
        assert server.states("versioned") == {"2": "READY", "10": "UNAVAILABLE"}


def begin_slow_load(server: Operated) -> None:
    """Have version 10 loading, for a minute."""
    (server.models / "versioned" / "slow").touch()
    with pytest.raises(Exception, match="timed out"):
        server.served.rest.post(
            "/v2/repository/models/versioned/load",
            headers={"Authorization": f"Bearer {TOKEN}"},
            json={"parameters": {"version": "10"}},
            timeout=0.3,
        )
    assert server.states("versioned") == {"2": "READY", "10": "LOADING"}
    assert server.served.rest.get("/v2/health/ready").status_code == 200


@pytest.mark.parametrize("content", ["{}", '{"models": {"versioned": ["../2"]}}'])
def test_a_state_that_is_not_ours_ends_the_start_in_one_line(
    folders: tuple[Path, Path], content: str
) -> None:
    models, state = folders
    (state / "loaded.json").write_text(content)
    with launch("--models", models, "--http-port", "0", "--grpc-port", "0", "--state", state) as it:
        _, said = it.communicate(timeout=10)
    assert (it.returncode, said.count("\n")) == (2, 1)
    assert "loaded.json: expected a state of this server" in said


def test_a_version_of_the_state_that_is_gone_is_not_ready(folders: tuple[Path, Path]) -> None:
    models, state = folders
    (state / "loaded.json").write_text('{"models": {"versioned": ["2", "7"]}}')
    ports = ("--http-port", "0", "--grpc-port", "0", "--providers", "cpu", "--exit-on-load-failure")
    with launch("--models", models, "--state", state, *ports) as it:
        _, said = it.communicate(timeout=10)
    assert it.returncode == 1
    assert "model versioned version 7 failed to load" in said
