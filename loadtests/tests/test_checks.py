"""Every check of the profile `load` is seen to fail, and what a file claims is what it holds to."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from servespec.verdicts.profile import PROFILES
from servespec.verdicts.result import CheckResult
from servespec.verdicts.store import read
from servespec.verdicts.verdict import Verdict

ROOT = Path(__file__).parents[2]
TARGET = ROOT / "conformance/targets/reference/target.toml"
SECONDS = 100
SHORT = "[claims.load]\nseconds = 3\noutside = 0.5\n"
BROKEN = {
    "LOAD-009": ("test_tail.py::test_the_tail", "one-in-ten-late"),
    "LOAD-010": ("test_tail.py::test_nearly", "answers-on-the-beat"),
    "LOAD-011": ("test_runtime.py", "runtime-at-half-speed"),
    "LOAD-012": ("test_distance.py", "answers-held-back"),
    "LOAD-013": ("test_updates.py", "answers-on-the-beat"),
    "LOAD-014": ("test_planes.py", "grpc-slow-for-images"),
    "LOAD-015": ("test_alerts.py", "histogram-of-two-buckets"),
}
"""By requirement: the check, and the defect that it has to find."""
QUICK = ("LOAD-011", "LOAD-014")
slow = pytest.mark.skipif(not os.environ.get("SERVESPEC_LOAD"), reason="`make load` tries it")


def judged(folder: Path, check: str, defect: str = "", claims: str = SHORT) -> CheckResult:
    """What one check says of the reference server, started with a defect."""
    file, _, name = check.partition("::")
    text = TARGET.read_text(encoding="utf-8")
    start = f'[start.environment]\nSERVESPEC_DEFECTS = "{defect}"\n'
    text = text.replace("[start.environment]\n", start, 1).replace("[claims.load]", claims, 1)
    (folder / "target.toml").write_text(text)
    command = [
        sys.executable,
        "-m",
        "pytest",
        str(ROOT / "loadtests/checks" / file),
        "-k",
        name or "test",
    ]
    command += ["-p", "servespec.plugin", "-p", "no:cacheprovider", "-c", os.devnull]
    command += [f"--rootdir={ROOT}", "--import-mode=importlib", "--target", "target.toml"]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS,
        check=False,
    )  # fmt: skip
    part = folder / "reports/reference/loadtests.json"
    assert part.exists(), done.stdout
    (found,) = read(part).checks
    return found


def test_every_demand_of_the_profile_has_a_check_and_a_defect() -> None:
    assert set(BROKEN) == set(PROFILES["load"].ids)


@pytest.mark.parametrize(
    "requirement", [each if each in QUICK else pytest.param(each, marks=slow) for each in BROKEN]
)
def test_a_check_fails_under_its_defect(requirement: str, tmp_path: Path) -> None:
    found = judged(tmp_path, *BROKEN[requirement])

    assert found.requirement == requirement
    assert found.verdict is Verdict.FAIL, found.sentence


def test_what_a_check_measured_is_in_the_report_with_its_interval(tmp_path: Path) -> None:
    found = judged(tmp_path, "test_planes.py")
    ratio: Mapping[str, float] = found.statistics[-1]

    assert found.verdict is Verdict.PASS, found.sentence
    assert ratio["low"] <= ratio["value"] <= ratio["high"] < 1
    assert ratio["count"] == 120


def test_a_server_beside_its_clients_is_not_asked_how_far_away_it_is(tmp_path: Path) -> None:
    found = judged(tmp_path, "test_distance.py", claims="[claims.load]\n")

    assert found.verdict is Verdict.NOT_APPLICABLE


@slow
def test_the_other_plane_may_be_claimed_to_be_the_cheaper_one(tmp_path: Path) -> None:
    found = judged(tmp_path, "test_planes.py", claims='[claims.load]\ncheaper = "rest"\n')

    assert found.verdict is Verdict.FAIL, found.sentence
