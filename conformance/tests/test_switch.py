"""The reference server's defects are switched from a shell, as its target file does to harm it."""

import subprocess
import sys

from servespec.target.defects import DefectSwitch

from .defective import defective

COMMAND = (sys.executable, "-m", "servespec.target.defects")
SECONDS = 30


def switch(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, *words], capture_output=True, text=True, timeout=SECONDS, check=False
    )


def test_a_defect_is_switched_on_and_off_and_the_others_stay_as_they_are() -> None:
    with defective() as server:
        known = DefectSwitch(server.switch)
        one, other, *_ = known.breaks
        known.set(one)

        assert switch(server.switch, other).returncode == 0
        assert set(known.active) == {one, other}
        assert switch(server.switch, "--off", other).returncode == 0
        assert set(known.active) == {one}


def test_an_unknown_defect_is_one_line() -> None:
    with defective() as server:
        done = switch(server.switch, "no-such")

    assert done.returncode == 1
    assert "no defect is named 'no-such'" in done.stderr
