"""A model's own Python steps: what they may do, and whom they hold up."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from .models import write_models
from .serving import Served, launch, serving, tensor

STEPS = '''
import sys, threading
from collections.abc import Mapping

import numpy as np

gate = threading.Event()

def add_one(tensors):
    x = tensors["x"]
    if x.size and x.max() > 90:
        raise ValueError("x is at most 90")
    return {"x": x + np.float32(1)}

def negate(tensors):
    return {name: -array for name, array in tensors.items()}

def wait(tensors):
    """-1 opens the gate, 1 waits for it."""
    if tensors["x"].max() > 0:
        assert gate.wait(10)
    elif tensors["x"].max() < 0:
        gate.set()
    return tensors

def misbehave(tensors):
    kind = int(tensors["x"].max())
    if kind == 0:
        return tensors
    if kind == 1:
        raise KeyError("secret")
    if kind == 2:
        sys.exit("secret")
    return [None, None, None, [1], {"z": tensors["x"]}, {}, {"x": [1.0]},
        {"x": tensors["x"].astype("f8")}, {"x": tensors["x"][0]}][kind]
'''
SETTINGS: Mapping[str, str] = {
    "both": 'preprocess = "steps.py:add_one"\npostprocess = "steps.py:negate"',
    "gated": 'preprocess = "steps.py:wait"',
    "wrong": 'preprocess = "steps.py:misbehave"',
    "behind": 'postprocess = "steps.py:misbehave"',
}
WRONG = [
    (1, "raised"),
    (2, "raised"),
    (3, "returned a list; expected a mapping of names to arrays"),
    (4, "returned the tensors 'z'; expected 'x'"),
    (5, "returned the tensors none; expected 'x'"),
    (6, "returned 'x' as a list; expected a numpy array"),
    (7, "returned 'x' as float64; expected float32"),
    (8, "returned 'x' with shape [1]; expected [-1, -1]"),
]


def write_stepped(directory: Path, name: str, settings: str) -> None:
    """Write an identity with steps; with a postprocess step its output is named as its input."""
    write_models(directory, "echo/1")
    folder = directory / name
    (directory / "echo").rename(folder)
    (folder / "model.toml").write_text(f"[steps]\n{settings}\n")
    (folder / "steps.py").write_text(STEPS)


@pytest.fixture(scope="module")
def stepped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of models with steps, two threads for each."""
    models = tmp_path_factory.mktemp("stepped")
    for name, settings in SETTINGS.items():
        write_stepped(models, name, settings)
    with serving(models, "--python-steps", "--step-threads", "2") as server:
        yield server.becomes_ready()


def ask(served: Served, model: str, value: float) -> httpx.Response:
    """Ask with one value."""
    return served.infer(model, tensor("x", [1, 1], [value]))


def test_steps_run_before_and_behind_the_model(stepped: Served) -> None:
    assert ask(stepped, "both", 2.0).json()["outputs"][0]["data"] == [-3.0]


def test_their_times_are_told_and_counted(stepped: Served) -> None:
    told = ask(stepped, "both", 2.0).headers["server-timing"]
    stages = r";dur=\d+\.\d{3}, ".join(("queue", "compute", "preprocess", "postprocess", "total"))
    assert re.fullmatch(stages + r";dur=\d+\.\d{3}", told)
    metrics = stepped.rest.get("/metrics").text
    for kind in ("preprocess", "postprocess"):
        assert f'inference_{kind}_seconds_count{{model="both",version="1"}}' in metrics


def test_what_a_step_refuses_is_400_with_its_text(stepped: Served) -> None:
    answer = ask(stepped, "both", 91.0)
    assert (answer.status_code, answer.json()) == (400, {"error": "x is at most 90"})


def test_the_request_fits_the_model_before_the_step_sees_it(stepped: Served) -> None:
    assert stepped.infer("both", tensor("z", [1, 1], [1.0])).status_code == 400


@pytest.mark.parametrize(("kind", "text"), WRONG)
def test_a_step_that_fails_is_500_and_says_how_without_its_text(
    stepped: Served, kind: int, text: str
) -> None:
    answer = ask(stepped, "wrong", kind)
    error = f"preprocess of model 'wrong' version '1' {text}"
    assert (answer.status_code, answer.json()) == (500, {"error": error})


def test_a_step_behind_the_model_is_held_to_its_outputs(stepped: Served) -> None:
    answer = ask(stepped, "behind", 0.0)
    assert answer.status_code == 500
    assert "postprocess of model 'behind'" in answer.json()["error"]


def test_a_slow_step_holds_up_neither_its_model_nor_another(stepped: Served) -> None:
    with stepped.post("gated", tensor("x", [1, 1], [1.0])) as slow:
        assert ask(stepped, "both", 2.0).status_code == 200
        assert ask(stepped, "gated", 0.0).status_code == 200
        assert ask(stepped, "gated", -1.0).status_code == 200
        assert slow.getresponse().status == 200


@pytest.mark.parametrize(
    ("settings", "flags", "text"),
    [
        ('preprocess = "steps.py:wait"', (), "expected the server's flag --python-steps"),
        ('preprocess = "steps.py:nothing"', ("--python-steps",), "expected a function nothing"),
        ('preprocess = "other.py:wait"', ("--python-steps",), "other.py:wait: FileNotFoundError"),
    ],
)
def test_steps_that_cannot_be_run_fail_the_load_with_one_line(
    tmp_path: Path, settings: str, flags: tuple[str, ...], text: str
) -> None:
    write_stepped(tmp_path, "m", settings)
    ports = ("--http-port", "0", "--grpc-port", "0", "--providers", "cpu")
    with launch("--models", tmp_path, *ports, "--exit-on-load-failure", *flags) as process:
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert text in errors
    assert len(errors.splitlines()) == 1
