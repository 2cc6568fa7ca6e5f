"""What a target file says how to start is started for a search or a comparison, and stopped."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from servespec.tests.judging import Workplace

from .answering import target_file

SECONDS = 60.0
QUICK = ["--rate", "50", "--seconds", "0.3"]


def begun(verb: str, folder: Path, *words: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "servespec", verb, *map(str, words)]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=folder, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )


def ended(process: "subprocess.Popen[str]") -> tuple[int | None, str, str]:
    told, mistakes = process.communicate(timeout=SECONDS)
    return process.returncode, told, mistakes


def test_the_capacity_of_a_server_that_is_started(tmp_path: Path) -> None:
    words = ["--target-url", target_file(tmp_path, "one"), "--slo", "p50 < 1s", *QUICK]
    code, told, mistakes = ended(
        begun("capacity", tmp_path, *words, "--highest", "50", "--repeats", "1")
    )

    assert code == 0, mistakes
    assert "PASS capacity 50 requests a second" in told
    assert (tmp_path / "reports/one/target.log").read_text().startswith("GET\n")
    assert Workplace(tmp_path).left() == []


def test_two_that_are_started_are_compared(tmp_path: Path) -> None:
    files = [target_file(tmp_path, "same", 0.005), target_file(tmp_path, "slower", 0.050)]
    words = ["--old", files[0], "--new", files[1], "--rounds", "10", *QUICK]
    code, told, mistakes = ended(begun("regression", tmp_path, *words))

    assert code == 1, mistakes
    assert "FAIL slower" in told
    assert (tmp_path / "reports/slower/target-new.log").read_text().startswith("GET\n")
    assert Workplace(tmp_path).left() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_is_told_to_end_leaves_no_server(tmp_path: Path, number: signal.Signals) -> None:
    file, log = target_file(tmp_path, "one"), tmp_path / "reports/one/target.log"
    words = ["--target-url", file, "--slo", "p50 < 1s", "--rate", "50", "--seconds", "60"]
    process = begun("capacity", tmp_path, *words)
    end = time.monotonic() + SECONDS
    while not log.exists() or "POST" not in log.read_text():
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.05)
    tell = os.killpg if number is signal.SIGINT else os.kill  # a terminal tells all of a group
    tell(process.pid, number)

    assert ended(process)[0] == 128 + number
    assert Workplace(tmp_path).left() == []


@pytest.mark.parametrize(
    ("text", "code", "mistake"),
    [
        ("[target]\nname = 3\n", 2, "name: expected"),
        ('[target]\nname = "a"\nrest = "http://127.0.0.1:1"\n', 2, "expected right answers"),
        ('[target]\nname = "a"\ngrpc = "127.0.0.1:1"\n', 2, "--plane rest: expected a REST"),
        ('[target]\nname = "a"\n[start]\ncommand = ["none", "{http_port}"]\n', 3, "a program"),
    ],
)
def test_a_file_that_leads_nowhere_is_one_line(
    tmp_path: Path, text: str, code: int, mistake: str
) -> None:
    (tmp_path / "a.toml").write_text(text)
    words = ["--target-url", "a.toml", "--slo", "p50 < 1s", *QUICK]
    found, _, mistakes = ended(begun("capacity", tmp_path, *words))

    assert (found, len(mistakes.splitlines())) == (code, 1)
    assert mistake in mistakes
