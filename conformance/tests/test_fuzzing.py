"""The fuzzing: it finds what is wrong, says how to find it again, and ends by itself."""

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from ..fuzzing.bodies import shots
from ..fuzzing.planes import calls, scripts
from ..fuzzing.tally import Tally, refusal_is_clean

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "conformance.fuzzing"]


def _fuzz(*options: str, defect: str = "") -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "SERVESPEC_DEFECTS": defect}
    return subprocess.run(
        [*COMMAND, *options], cwd=ROOT, env=environment, text=True, capture_output=True,
        check=False, timeout=100,
    )  # fmt: skip


def test_a_sound_server_bears_it_and_the_answers_are_counted() -> None:
    parts = ("--part", "rest", "--part", "bytes", "--part", "grpc")
    done = _fuzz("--requests", "300", *parts)

    assert (done.returncode, done.stderr) == (0, "")
    assert "fuzz: 300 requests" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("0 wrong")


@pytest.mark.parametrize(
    ("part", "defect"), [("rest", "scalar-crashes"), ("bytes", "header-too-large-500")]
)
def test_a_crash_is_found_with_the_seed_that_finds_it_again(part: str, defect: str) -> None:
    done = _fuzz("--requests", "300", "--part", part, "--seed", "7", defect=defect)

    assert done.returncode == 1
    assert f"WRONG (--part {part} --seed 7 --requests 500)" in done.stdout


@pytest.mark.parametrize("strategy", [shots, scripts, calls], ids=["rest", "bytes", "grpc"])
def test_a_seed_makes_the_same_requests_again(strategy: st.SearchStrategy[Any]) -> None:
    assert _drawn(strategy) == _drawn(strategy)


def _drawn(strategy: st.SearchStrategy[Any]) -> list[str]:
    drawn: list[str] = []
    tally = Tally(math.inf)

    def shoot(value: Any) -> str:
        drawn.append(repr(value))
        return "200"

    tally.fill("rest", 60, strategy, shoot, first=3, after=lambda: None)
    assert tally.asked("rest") == len(drawn) == 60
    return drawn


def test_a_run_out_of_time_is_not_complete() -> None:
    done = _fuzz("--requests", "300", "--part", "rest", "--seconds", "0")

    assert done.returncode == 1
    assert "NOT COMPLETE: rest" in done.stdout


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"error": 3}', b'{"error": "Traceback (most recent call last)"}']
)
def test_a_refusal_without_its_error_or_with_too_much_is_found(body: bytes) -> None:
    with pytest.raises(AssertionError):
        refusal_is_clean(400, body)
