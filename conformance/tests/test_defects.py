"""Every check is seen to fail: it must catch the reference server's defect that is made for it."""

import os
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path

import pytest

from servespec.verdicts.catalogue import CATALOGUE, Level
from servespec.verdicts.result import CheckResult
from servespec.verdicts.store import read
from servespec.verdicts.verdict import Verdict

from .checks import SUITE, written_checks
from .defective import defective

pytestmark = pytest.mark.timeout(1200)  # the first test waits for the whole judging
SECONDS = 1140
APART = "soak"
"""The profile that takes its time, and has a test of its own."""
CHECKS = sorted(
    written.check.key
    for written in written_checks()
    if CATALOGUE[written.check.requirement].profile != APART
)


PROFILES = {CATALOGUE[written.check.requirement].profile for written in written_checks()} - {APART}
SIDE_BY_SIDE = (
    frozenset({"probes"}),
    frozenset({"shutdown"}),
    frozenset({"oip-rest", "oip-grpc", "http", "binary", "grpc-health"}),
    frozenset({"repository", "rollout"}),
)
"""Judged at the same time, since they wait most of theirs. The rest wants the machine alone."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[CheckResult]]:
    """What each check says of the server with its defect switched on."""
    alone = PROFILES.difference(*SIDE_BY_SIDE)
    judge = partial(_judged, tmp_path_factory.mktemp("reports"))
    with ThreadPoolExecutor(len(SIDE_BY_SIDE)) as threads:
        judged = [*threads.map(judge, SIDE_BY_SIDE)]
    results: dict[str, list[CheckResult]] = {}
    for result in chain(*judged, judge(alone)):
        results.setdefault(result.check, []).append(result)
    return results


def _judged(reports: Path, profiles: Collection[str]) -> Sequence[CheckResult]:
    """The results of some profiles, each check with its defect on."""
    folder = reports / "-".join(sorted(profiles))
    command = [sys.executable, "-m", "pytest", "--pyargs", SUITE, "-p", "servespec.plugin", "-q"]
    command += ["-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={Path.cwd()}", "--tb=no"]
    command += ["--profile", ",".join(sorted(profiles))]
    with defective() as server:
        options = [*server.options, "--defects-switch", server.switch, "--report-dir", str(folder)]
        environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        subprocess.run(command + options, env=environment, check=False, timeout=SECONDS)
    return read(folder / "reference" / "conformance.json").checks


@pytest.mark.parametrize("check", CHECKS)
def test_a_check_fails_under_its_defect(check: str, found: Mapping[str, list[CheckResult]]) -> None:
    results = found[check]
    verdict = Verdict.worst([result.verdict for result in results])
    records = CATALOGUE[results[0].requirement].level is Level.INFO
    if not (records and verdict is Verdict.NOT_RUN):
        assert verdict is Verdict.FAIL, "; ".join(result.sentence for result in results)
