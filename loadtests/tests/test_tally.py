"""Histograms over time say what rows say, to what they are exact, and lose no request."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servespec.stats.hgrm import read_hgrm
from servespec.target.objective import Objective
from servespec.verdicts.verdict import Verdict

from ..judging.budget import Limit
from ..judging.gates import Run, spoilt
from ..judging.judge import judge
from ..judging.report import report_of
from ..sending.plan import Plan
from ..sending.records import Fate, Records
from ..sending.tally import Tally
from ..showing.exports import Outcome, prometheus, write_all
from ..showing.webui.live import so_far
from .runs import run_of

RANDOM = np.random.default_rng(3)
TAKEN = np.where(RANDOM.random(8192) < 0.02, np.inf, 0.02 * RANDOM.lognormal(0, 0.5, 8192))
OBJECTIVES = ["p99 < 1s", "p90 < 20ms", "p90 < 60ms", "error_rate < 5%", "error_rate < 1%",
              "mean < 1s", "p90/p50 < 5", "p90/p50 < 1.1", "throughput > 100",
              "throughput > 600"]  # fmt: skip


def tallied(run: Run, reports: Sequence[np.ndarray] | None = None) -> Run:
    """The same run, kept as histograms, from what several reports say of it."""
    tally = Tally.planned(run.records.intended, run.plan.seconds)
    for rows in reports if reports is not None else [np.arange(len(run.records))]:
        part = tally.fresh()
        part.add(run.records, rows)
        tally.merge_plain(json.loads(json.dumps(part.to_dict())))
    return replace(run, records=Records.planned(np.zeros(0)), tally=tally)


@given(workers=st.integers(1, 5), seed=st.integers(0, 99))
def test_merging_what_workers_tell_loses_no_sample(workers: int, seed: int) -> None:
    run = run_of(TAKEN[:2048])
    owner = np.random.default_rng(seed).integers(0, 3 * workers, 2048)
    evidence = tallied(run, [np.flatnonzero(owner == each) for each in range(3 * workers)]).evidence

    assert evidence.counts() == run.evidence.counts()
    assert len(evidence.response()) == len(evidence.service()) == len(evidence.lag()) == 2048
    assert evidence.response().histogram() == run.evidence.response().histogram()
    assert evidence.in_time() == 2048
    assert evidence.stays() == pytest.approx(run.area)


def test_percentiles_are_those_of_the_rows_to_half_a_percent() -> None:
    kept = run_of(np.where(np.isinf(TAKEN), 1.0, TAKEN))
    run = tallied(kept)
    for percent in (50.0, 90.0, 99.0, 99.9):
        told, exact = (each.evidence.response().percentile(percent) for each in (run, kept))
        assert told == pytest.approx(exact, rel=0.005)


@pytest.mark.parametrize("text", OBJECTIVES)
def test_an_objective_gets_the_same_verdict(text: str) -> None:
    run, objective = run_of(TAKEN), Objective.parse(text)
    (exact,), (told,) = judge(run, [objective]), judge(tallied(run), [objective])

    assert told.verdict is exact.verdict
    assert told.value == pytest.approx(exact.value, rel=0.005)


@pytest.mark.parametrize("worth", [1.0, 2.0, 30.0, 8192.0])
@pytest.mark.parametrize("percent", [50.0, 99.0, 99.9])
def test_what_was_seen_lies_in_its_interval(percent: float, worth: float) -> None:
    for evidence in (run_of(TAKEN).evidence, tallied(run_of(TAKEN)).evidence):
        times = evidence.response()
        within = times.within(percent, 0.99, worth)
        assert within.low <= times.percentile(percent) <= within.high


def test_each_second_has_the_same_numbers() -> None:
    run = run_of(TAKEN)
    exact, told = (report_of(each, "", []).summary for each in (run, tallied(run)))

    assert (told.requests, told.fates, told.achieved) == (
        exact.requests,
        exact.fates,
        exact.achieved,
    )
    for one, other in zip(told.moments, exact.moments, strict=True):
        assert (one.offered, one.dispatched, one.answered) == (
            other.offered, other.dispatched, other.answered,
        )  # fmt: skip
        assert one.under_way == pytest.approx(other.under_way)
        assert one.median == pytest.approx(other.median, rel=0.005)
    assert np.sum(told.heat) == np.sum(exact.heat)


def test_a_long_run_is_kept_in_a_bounded_number_of_parts() -> None:
    offsets = np.arange(100_000) * 0.9
    tally = Tally.planned(offsets, 90_000.0)

    assert (tally.width, len(tally.offered), tally.offered.sum()) == (100, 900, 100_000)


@pytest.mark.parametrize(
    ("plant", "sentence"),
    [
        (lambda run: tallied(run, [np.arange(0, 8192, 2)]), "nothing is known of 4,096 requests"),
        (lambda run: replace(tallied(run), area=run.area * 1.06), "Little's law is off"),
        (lambda run: replace(tallied(run), problems=["worker 1 was lost"]), "worker 1 was lost"),
    ],
)
def test_the_gates_fire(plant: object, sentence: str) -> None:
    assert callable(plant)
    assert any(sentence in why for why in spoilt(plant(run_of(TAKEN))))


@pytest.mark.parametrize(("fate", "sentence"), [(Fate.SHED, "shed 1"), (Fate.UNASKED, "stopped")])
def test_the_gates_on_fates_fire(fate: Fate, sentence: str) -> None:
    run = run_of(TAKEN)
    run.records.fate[7] = fate

    assert any(sentence in why for why in spoilt(tallied(run)))


def test_a_load_that_was_sent_late_is_not_achieved() -> None:
    late = np.where(np.arange(8192) < 8000, 0.0, 2.0)

    assert any("had sent 9" in why for why in spoilt(tallied(run_of(TAKEN, late=late))))


def test_files_and_pages_count_every_request(tmp_path: Path) -> None:
    run = tallied(run_of(TAKEN))
    outcome = Outcome(report_of(run, "http://127.0.0.1:8000", []), run.evidence, 1e9)
    write_all(outcome, tmp_path / "run.json")

    assert read_hgrm((tmp_path / "run.hgrm").read_text())[-1].count == len(TAKEN)
    assert (tmp_path / "run.html").read_text().count("<svg") >= 3
    assert "servespec_load_response_seconds" in prometheus(outcome)


def test_a_part_of_requests_that_are_not_kept_is_untestable() -> None:
    (judgement,) = report_of(
        tallied(run_of(TAKEN)), "", [], [Limit.parse("queue < 5ms")]
    ).all_judgements

    assert judgement.verdict is Verdict.UNTESTABLE


def test_a_run_that_goes_on_is_told_of_up_to_the_last_second_that_is_known() -> None:
    run = run_of(TAKEN)
    report = so_far(tallied(run, [np.arange(512 * 6 + 9)]), "", [Objective.parse("p50 < 1s")])

    assert report is not None
    assert (report.summary.requests, report.spoilt) == (512 * 6, [])
    assert so_far(tallied(run, [np.arange(9)]), "", []) is None


def test_live_four_workers_that_keep_histograms_lose_no_request(tmp_path: Path) -> None:
    plan, report = Plan(rate=400.0, seconds=2.0, seed=5), tmp_path / "load.json"
    null = [sys.executable, "-m", "loadtests.calibration.null_server", "rest"]
    command = [str(Path(sys.executable).with_name("locust")), "-f", "loadtests/locustfile.py"]
    command += ["--headless", "--only-summary", "--processes=4", "--keep=100", "--rate=400"]
    command += ["--seconds=2", "--seed=5", "--slo=p50 < 5s", f"--load-report={report}"]
    command += [f"--json-file={tmp_path / 'locust'}"]
    with subprocess.Popen(null, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        command += [f"--host=http://127.0.0.1:{int(server.stdout.readline())}"]
        subprocess.run(command, capture_output=True, timeout=90, check=False)
        server.communicate()  # the end of its input is its end
    told, count = json.loads(report.read_text()), len(plan.offsets())

    assert told["spoilt"] == []
    assert told["summary"]["fates"] == {"answered": count}
    assert told["plan"]["fingerprint"] == plan.fingerprint(plan.offsets())
    assert read_hgrm((tmp_path / "load.hgrm").read_text())[-1].count == count
    (entry,) = json.loads((tmp_path / "locust.json").read_text())
    assert entry["num_requests"] == count
