"""The server as a process: how it starts, how it fails to, and how it ends."""

import os
import signal
from pathlib import Path

import pytest

from servespec.wire import proto

from .models import write_models
from .serving import SECONDS, launch, serving, tensor


@pytest.fixture
def echo(tmp_path: Path) -> Path:
    """A repository of one model."""
    return write_models(tmp_path / "models", "echo/1")


@pytest.fixture
def slow_and_echo(tmp_path: Path) -> Path:
    """A repository of a slow model and a quick one."""
    return write_models(tmp_path / "models", "slow/1", "echo/1")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_exit_code_0(echo: Path, number: signal.Signals) -> None:
    with serving(echo) as server:
        assert server.becomes_ready().stop(number) == 0


def test_work_in_flight_is_finished_after_the_signal(slow_and_echo: Path) -> None:
    with serving(slow_and_echo) as server, server.becomes_ready().slow(turns=2_000) as asked:
        assert server.stop() == 0
        assert asked.getresponse().status == 200


def test_what_is_unfinished_when_the_grace_is_over_does_not_hold_the_exit(
    slow_and_echo: Path,
) -> None:
    grace = ("--grace-seconds", "0.1")
    with serving(slow_and_echo, *grace) as server, server.becomes_ready().slow(10**9) as asked:
        assert server.stop() == 0
        assert asked.getresponse().status == 503


def test_a_model_that_fails_to_load_keeps_it_live_and_unready(echo: Path) -> None:
    broken = echo / "broken" / "1"
    broken.mkdir(parents=True)
    (broken / "model.onnx").write_bytes(b"no model")
    with serving(echo) as server:
        while server.rest.get("/v2/models/echo/ready").status_code != 200:
            pass
        assert server.rest.get("/v2/health/live").status_code == 200
        assert server.rest.get("/v2/health/ready").status_code == 503
        assert server.rest.get("/v2/models/broken/ready").json()["ready"] is False
        answer = server.infer("broken", tensor("x", [1, 1], [1.0]))
        assert (answer.status_code, "'broken'" in answer.json()["error"]) == (503, True)
        ready = server.call("ModelReady", proto.ModelReadyRequest(name="broken"))
        assert ready == proto.ModelReadyResponse(ready=False)
        assert server.stop() == 0


def test_a_model_that_still_loads_does_not_hold_the_exit(echo: Path) -> None:
    endless = echo / "endless" / "1"
    endless.mkdir(parents=True)
    os.mkfifo(endless / "model.onnx")  # the load waits for who writes, for ever
    with serving(echo) as server:
        assert server.rest.get("/v2/models/endless/ready").status_code == 503
        while server.rest.get("/v2/models/echo/ready").status_code != 200:
            pass
        assert server.stop() == 0


def test_a_load_failure_ends_it_if_so_set(tmp_path: Path) -> None:
    (tmp_path / "broken" / "1").mkdir(parents=True)
    with serving(tmp_path, "--exit-on-load-failure") as server:
        assert server.process.wait(SECONDS) == 1
        _, complaint = server.process.communicate()
        assert "model broken version 1 failed to load" in complaint


def test_a_directory_without_models_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    with launch("--models", tmp_path) as process:
        _, printed = process.communicate(timeout=SECONDS)
        assert process.returncode == 2
        expected = f"no model in {tmp_path}: expected <model>/<version>/model.onnx"
        assert printed == f"reference_server: {expected}\n"


def test_a_port_that_is_taken_is_one_line_and_exit_code_2(echo: Path) -> None:
    with serving(echo, "--probe-port", "0") as server:
        for plane, address in server.doors.items():
            flags = {"--http-port": "0", "--grpc-port": "0", "--probe-port": "0"}
            flags[f"--{plane.removesuffix('s')}-port"] = address.rpartition(":")[2]
            with launch("--models", echo, *sum(flags.items(), ())) as process:
                _, printed = process.communicate(timeout=SECONDS)
                assert (process.returncode, printed.count("\n")) == (2, 1)
                assert f"cannot listen on {address}" in printed
