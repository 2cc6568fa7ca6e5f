"""An engine that dies and one that hangs, in a whole server: seen, survived by others, mended."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from .models import write_models
from .serving import SECONDS, Served, serving, tensor

ONE = tensor("x", [1, 1], [1.0])
LIMITS = ("--stalled-seconds", "0.3", "--stuck-seconds", "1")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    """One with a model that can be harmed, called witness, and another."""
    models = write_models(tmp_path / "models", "echo/1")
    shutil.copytree(models / "echo", models / "witness")
    with serving(models, "--defects-port", "0", *LIMITS) as served:
        yield served.becomes_ready()


def harm(server: Served, *defects: str) -> None:
    """Switch these on, and all others off."""
    url = f"http://{server.doors['defects']}/defects"
    httpx.put(url, json=defects, timeout=SECONDS).raise_for_status()


def seen(server: Served) -> tuple[int, int, str]:
    """Whether it is live, whether it is ready, and its engine's state in the metrics."""
    states = [
        line
        for line in server.rest.get("/metrics").text.splitlines()
        if line.startswith('model_state{model="witness"') and line.endswith(" 1.0")
    ]
    assert len(states) == 1, states
    state = states[0].partition('state="')[2].partition('"')[0]
    return server.rest.get("/livez").status_code, server.rest.get("/readyz").status_code, state


def until(server: Served, wanted: Callable[[], bool]) -> None:
    """Wait for it, while the other model answers throughout."""
    end = time.monotonic() + SECONDS
    while not wanted():
        assert server.infer("echo", ONE).status_code == 200
        assert time.monotonic() < end, f"it is {seen(server)}"


def test_an_engine_that_dies_is_down_for_a_while_and_replaced(server: Served) -> None:
    harm(server, "engine-dies")
    assert server.infer("witness", ONE).status_code == 500
    assert seen(server) == (200, 503, "down")
    until(server, lambda: seen(server) == (200, 200, "ready"))
    assert server.infer("witness", ONE).status_code == 200


def test_an_engine_that_hangs_is_stalled_then_stuck_until_it_goes_on(server: Served) -> None:
    harm(server, "engine-hangs")
    with server.post("witness", ONE) as waiting:
        until(server, lambda: seen(server) == (200, 503, "stalled"))
        until(server, lambda: seen(server) == (503, 503, "stuck"))
        harm(server)
        assert waiting.getresponse().status == 200
    until(server, lambda: seen(server) == (200, 200, "ready"))
