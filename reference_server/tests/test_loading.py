"""What it takes for a model to be ready."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from ..engine import EngineState
from ..loading import Loader
from ..repository import Entry, State, find_models
from ..signature import Work
from .models import write_models

LOADER = Loader(["CPUExecutionProvider"], False, 1, 1, stalled_seconds=10, stuck_seconds=30)


def loaded(directory: Path, model: str, settings: str = "") -> Entry:
    """One of our models, with this `model.toml`, and closed again."""
    write_models(directory, model)
    name, _, version = model.partition("/")
    (directory / name / "model.toml").write_text(settings)
    repository = find_models(directory)

    async def load() -> None:
        await LOADER.load(repository)
        await asyncio.to_thread(repository.close, 5.0)

    asyncio.run(load())
    return repository.entry(name, version)


def test_a_model_has_computed_once_before_it_is_ready(tmp_path: Path) -> None:
    rows = list[tuple[str, str, int]]()
    write_models(tmp_path, "echo/1")
    repository = find_models(tmp_path)
    loader = Loader(
        ["CPUExecutionProvider"], False, 1, 1, 10, 30, lambda *executed: rows.append(executed)
    )

    async def load() -> tuple[list[tuple[str, str, int]], State]:
        assert await loader.load(repository)
        found = [*rows], repository.health()["echo", "1"]
        await asyncio.to_thread(repository.close, 5.0)
        return found

    assert asyncio.run(load()) == ([("echo", "1", 1)], State.READY)


@pytest.mark.parametrize("model", ["echo_bytes/1", "echo_bf16/1", "pair/1", "picky/1", "slow/1"])
def test_models_of_any_signature_are_warmed_up(
    tmp_path: Path, model: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert loaded(tmp_path, model).loaded is State.READY
    assert "the warm-up failed" not in caplog.text


def test_a_model_that_raises_on_all_that_we_can_think_of_is_warm(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert loaded(tmp_path, "choosy/1").loaded is State.READY
    assert "model choosy version 1: the warm-up failed" in caplog.messages


def test_the_health_of_the_engine_is_the_state_of_the_model(tmp_path: Path) -> None:
    entry = loaded(tmp_path, "echo/1")
    assert entry.model is not None
    assert entry.model.health() is EngineState.DOWN  # its threads have ended
    assert entry.state is State.DOWN


@pytest.mark.parametrize(
    ("model", "settings", "complaint"),
    [
        ("echo/1", "[batching]", "model.toml: batching: Object missing required field"),
        ("slow/1", "max_rows = 4", "input 'turns' has shape []; expected -1 as its first"),
        ("picky/1", "max_rows = 4", "input 'shape' has shape [1]; expected -1 as its first"),
        ("pair/1", "values = { c = 0 }", "unknown 'c'; expected one of 'a', 'b'"),
        ("pair/1", "values = { a = 1e300 }", "1e+300 for 'a'; expected a value of FP32"),
        ("counts/1", "values = { x = 0.5 }", "0.5 for 'x'; expected a value of INT32"),
        ("counts/1", "values = { x = inf }", "inf for 'x'; expected a value of INT32"),
        ("echo_bf16/1", "values = { x = 0 }", "0 for 'x'; expected a value of BF16"),
        ("fixed/1", "values = { x = 0 }", "'x' has shape [-1, 3]; expected -1 as the dimension"),
        ("echo/1", "values = { x = 0 }\noutputs = ['z']", "unknown 'z'; expected one of 'y'"),
    ],
)
def test_a_model_that_cannot_be_batched_so_does_not_load(
    tmp_path: Path, model: str, settings: str, complaint: str, caplog: pytest.LogCaptureFixture
) -> None:
    if settings.startswith("max_rows"):
        settings = f"[batching]\n{settings}"
    elif settings.startswith("values"):
        table = "[batching]\nmax_rows = 4\n[batching.padding]\naxis = 1\nbuckets = [4]\n"
        settings = f"{table}{settings}"
    assert loaded(tmp_path, model, settings).state is State.FAILED
    (line,) = caplog.messages
    assert complaint in line
    assert "\n" not in line


def test_a_batched_model_takes_inputs_of_as_many_rows_only(tmp_path: Path) -> None:
    padding = "[batching.padding]\naxis = 1\nbuckets = [4]\nvalues = { a = 0, b = 0 }"
    model = loaded(tmp_path, "pair/1", f"[batching]\nmax_rows = 4\n{padding}").model
    assert model is not None
    shared = {dimension.name: dimension.places for dimension in model.signature.shared}
    assert shared["rows"] == (("a", 0), ("b", 0))
    assert shared["length"] == (("a", 1), ("b", 1))


def test_requests_of_many_callers_run_together_in_onnxruntime(tmp_path: Path) -> None:
    write_models(tmp_path, "pair/1")
    (tmp_path / "pair" / "model.toml").write_text("[batching]\nmax_rows = 64\nmax_delay_ms = 5000")
    repository = find_models(tmp_path)

    async def ask() -> list[tuple[float, float, int]]:
        await LOADER.load(repository)
        compute = repository.ready("pair").compute
        numbers = [np.full((1, 2), number, "<f4") for number in range(64)]
        works = [
            Work({"a": n, "b": np.ones((1, 2), "<f4")}, ("sum", "difference")) for n in numbers
        ]
        found = await asyncio.gather(*map(compute, works))
        await asyncio.to_thread(repository.close, 5.0)
        return [(one.tensors[0][0, 1], one.tensors[1][0, 0], one.batch_rows) for one in found]

    assert asyncio.run(ask()) == [(n + 1, n - 1, 64) for n in range(64)]
