"""What lies beside the JSON report: each file as its readers read it."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from servespec.stats.hgrm import read_hgrm
from servespec.target.objective import Objective

from ..judging.budget import Limit
from ..judging.report import report_of
from ..sending.records import Fate
from ..showing.exports import Outcome, junit, prometheus, write_all
from .runs import run_of

KEPT, MISSED, OPEN = "p50 < 100ms", "p50 < 1ms", "p99.9 < 100ms"


def outcome(taken: np.ndarray, *objectives: str) -> Outcome:
    run = run_of(taken)
    asked = [Objective.parse(text) for text in objectives]
    return Outcome(report_of(run, "http://127.0.0.1:8000", asked), run.evidence, 1e9)


def test_junit_has_a_case_for_each_objective_and_fails_all_but_a_pass() -> None:
    suite = ElementTree.fromstring(junit(outcome(np.full(2048, 0.01), KEPT, MISSED, OPEN)).encode())
    found = {case.get("name"): case.find("failure") for case in suite.iter("testcase")}
    assert list(found) == [KEPT, MISSED, OPEN]
    assert found[KEPT] is None
    kinds = [failure.get("type") for failure in found.values() if failure is not None]
    assert kinds == ["FAIL", "INCONCLUSIVE"]
    assert (suite.get("tests"), suite.get("failures")) == ("3", "2")


def test_junit_of_a_run_without_objectives_is_skipped_unless_the_run_is_worthless() -> None:
    assert "<skipped" in junit(outcome(np.full(512, 0.01)))
    run = run_of(np.full(512, 0.01))
    run.records.fate[0] = Fate.SHED
    spoilt = Outcome(report_of(run, "http://127.0.0.1:8000", []), run.evidence, 1e9)
    assert 'failure type="INVALID" message="INVALID: the generator shed 1' in junit(spoilt)


def test_prometheus_reads_the_numbers_and_an_unanswered_percentile_as_infinite() -> None:
    text = prometheus(outcome(np.tile([0.01, 0.01, np.inf, 0.01], 512), KEPT))
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["servespec_load_requests", "failed"] == 512
    assert samples["servespec_load_response_seconds", "0.5"] == pytest.approx(0.01, rel=0.02)
    assert samples["servespec_load_response_seconds", "0.99"] == np.inf
    assert samples["servespec_load_objective_kept", KEPT, "PASS"] == 1


def test_all_lie_beside_the_report_and_the_distribution_counts_every_request(
    tmp_path: Path,
) -> None:
    taken = np.tile([0.01, 0.02, 0.03, np.inf], 512)
    written = write_all(outcome(taken, KEPT), tmp_path / "run.json")
    names = {"run.json", "run.html", "run.junit.xml", "run.hgrm", "run.hlog", "run.prom"}
    assert {path.name for path in written} == {path.name for path in tmp_path.iterdir()} == names
    rows = read_hgrm((tmp_path / "run.hgrm").read_text())
    assert (rows[-1].count, rows[-1].seconds) == (2048, np.inf)
    spans = [line for line in (tmp_path / "run.hlog").read_text().splitlines() if "Tag=" in line]
    assert len(spans) == 4


def test_where_nothing_was_sent_there_is_no_distribution(tmp_path: Path) -> None:
    run = run_of(np.full(512, 0.01))
    run.records.fate[:] = Fate.UNASKED
    empty = Outcome(report_of(run, "http://127.0.0.1:8000", []), run.evidence, 1e9)
    write_all(empty, tmp_path / "report")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"report", "report.html", "report.junit.xml", "report.prom"}


def test_junit_has_a_case_for_what_each_part_of_the_time_may_take() -> None:
    header = "compute;dur=5, total;dur=8"
    run = replace(run_of(np.full(2048, 0.01)), timings=dict.fromkeys(range(0, 2048, 16), header))
    report = report_of(run, "http://127.0.0.1:8000", [], [Limit.parse("inference < 4ms")])
    text = junit(Outcome(report, run.evidence, 1e9))
    assert 'name="inference mean &lt; 4ms"' in text
    assert 'failures="1"' in text
