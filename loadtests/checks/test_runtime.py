"""What serving adds to the runtime itself."""

import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from servespec.fixtures import build
from servespec.session import NotRun
from servespec.target.outcomes import Untestable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement
from servespec.wire.messages import InferRequest, Tensor
from servespec.wire.rest import encode_request

from .inturn import EACH, in_turn, median_ratio, must_be_below
from .loaded import MODEL
from .place import is_on_this_machine

ITERATIONS = 200  # some 20 ms of one core
TIMES = 1.5
SECONDS = 30.0


@requirement("LOAD-011", fixtures=[MODEL])
def test_a_served_model_takes_little_more_than_the_bare_runtime(
    target: Target, tmp_path: Path
) -> None:
    """A team that converts its model gets the speed of the runtime, not what is lost around it."""
    if find_spec("onnxruntime") is None:
        raise NotRun("needs the package onnxruntime: pip install 'servespec[cpu]'")
    if not is_on_this_machine(target):
        raise Untestable("the server is on another machine: there is no bare runtime beside it")
    times = float(target.claim("load", "overhead", TIMES))
    build(tmp_path / "models", [MODEL])
    file = tmp_path / "models" / MODEL / "1/model.onnx"

    bare, served = in_turn(partial(_bare, file), partial(_served, target))

    ratio = median_ratio(target, "served to bare, median", bare, served)
    for name, taken in (("bare", bare), ("served", served)):
        target.record(f"{name}, ms", f"{np.median(np.concatenate(taken)) * 1e3:.2f}")
    must_be_below(times, ratio, "the served model takes")


def _request(name: str = "iterations") -> bytes:
    tensor = Tensor(name, "INT64", np.array([[ITERATIONS]], dtype=np.int64))
    return encode_request(InferRequest(MODEL, (tensor,)), binary=False)[0]


def _served(target: Target) -> Sequence[float]:
    body = _request(target.fixture(MODEL).tensor("iterations"))
    asked = (target.rest.infer(MODEL, body, timeout=SECONDS) for _ in range(EACH))
    return [exchange.must_succeed().seconds for exchange in asked]


def _bare(file: Path) -> Sequence[float]:
    """In a process of its own, whose first run warms it up."""
    command = [sys.executable, "-m", "servespec.fixtures.oracle", str(file)]
    done = subprocess.run(
        [*command, "--latency", str(EACH + 1)],
        input=_request() + b"\n", capture_output=True, check=True, timeout=SECONDS,
    )  # fmt: skip
    return [float(line) for line in done.stdout.split()][1:]
