"""The soak, cut to some seconds: a sound server passes, and one that keeps what was sent fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from servespec.target.manifest import load
from servespec.verdicts.store import read
from servespec.verdicts.verdict import Verdict

from .defective import TARGET


@pytest.mark.parametrize(("defect", "verdict"), [("", Verdict.PASS), ("bodies-kept", Verdict.FAIL)])
def test_what_is_kept_of_traffic_is_seen(defect: str, verdict: Verdict, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "servespec", "certify", "--target", str(TARGET)]
    short = {"SERVESPEC_SOAK_SECONDS": "5", "SERVESPEC_DEFECTS": defect}
    subprocess.run(
        [*command, "--profile", "soak", "--report-dir", str(tmp_path)],
        env={**os.environ, **short}, capture_output=True, check=False, timeout=100,
    )  # fmt: skip
    report = read(tmp_path / "reference" / "conformance.json")

    found = {check.check: (check.verdict, check.sentence) for check in report.checks}
    assert found["LOAD-004"][0] is verdict, found["LOAD-004"][1]


def test_nobody_waits_for_it_who_did_not_ask() -> None:
    assert "soak" not in load(TARGET).claims
