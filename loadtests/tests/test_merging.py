"""What several workers saw is one table, in which nothing is missing, and Locust's own agrees."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from servespec.stats.percentiles import percentile

from ..sending.plan import Plan
from .loading import Ended, load

PLAN = Plan("poisson", rate=400.0, seconds=2.0, seed=5)
WORDS = ("--processes=4", "--rate=400", "--seconds=2", "--seed=5", "--slo=p99.99 < 5s")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("merging")


@pytest.fixture(scope="module")
def ended(folder: Path) -> Iterator[Ended]:
    command = [sys.executable, "-m", "loadtests.calibration.null_server", "rest"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        yield load(folder, f"--target-url=http://127.0.0.1:{port}", *WORDS)
        server.communicate()  # the end of its input is its end


@pytest.fixture(scope="module")
def locusts(ended: Ended, folder: Path) -> Mapping[str, Any]:
    """The one line of Locust's own table."""
    (file,) = folder.glob("reports/*/load/locust.json")
    (entry,) = json.loads(file.read_text(encoding="utf-8"))
    return dict(entry)


def test_four_workers_lose_no_request(ended: Ended) -> None:
    assert ended.report["summary"]["requests"] == len(PLAN.offsets())
    assert ended.report["summary"]["fates"] == {"answered": len(PLAN.offsets())}
    assert len(ended.report["calibrations"]) == 4
    assert all(each["reached"] > 2 * each["rate"] > 0 for each in ended.report["calibrations"])
    assert ended.report["plan"]["fingerprint"] == PLAN.fingerprint(PLAN.offsets())


def test_too_few_requests_for_an_objective_are_told_and_are_no_pass(ended: Ended) -> None:
    (judgement,) = ended.report["judgements"]

    assert (ended.code, ended.report["verdict"]) == (1, "INCONCLUSIVE")
    assert re.search(r"needs [\d,]+ more requests", judgement["sentence"])


def test_every_second_has_the_requests_that_the_schedule_has(ended: Ended) -> None:
    offered = np.bincount(PLAN.offsets().astype(int), minlength=2).tolist()

    moments = ended.report["summary"]["moments"]
    assert [moment["offered"] for moment in moments] == offered
    assert [moment["answered"] for moment in moments] == offered


def test_locust_has_counted_as_many(locusts: Mapping[str, Any], ended: Ended) -> None:
    assert locusts["num_requests"] == ended.report["summary"]["requests"]
    assert locusts["num_failures"] == 0


def test_locusts_own_percentiles_agree(locusts: Mapping[str, Any], ended: Ended) -> None:
    counts = locusts["response_times"]
    times = np.repeat([float(key) / 1000 for key in counts], list(counts.values()))

    for line in ended.report["summary"]["lines"]:
        theirs = percentile(times, line["percent"])
        assert theirs == pytest.approx(line["seconds"], rel=0.005 + 1e-9)
