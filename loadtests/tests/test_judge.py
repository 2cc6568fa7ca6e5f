"""Objectives are judged by intervals, and the generator's faults are nobody's FAIL."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from servespec.target.objective import Objective
from servespec.verdicts.verdict import Verdict

from ..judging.gates import Run
from ..judging.judge import Judgement, judge
from ..judging.report import report_of
from ..sending.records import Fate
from .runs import run_of

RANDOM = np.random.default_rng(7)


def _times(count: int, slow: float, rest: float = 0.010) -> np.ndarray:
    """So many times, a share of them at 0.2 s, in no order."""
    return np.where(RANDOM.permutation(count) < slow * count, 0.200, rest)


def _judged(run: Run, text: str) -> Judgement:
    (judgement,) = judge(run, [Objective.parse(text)])
    return judgement


@pytest.mark.parametrize(
    ("objective", "taken", "verdict"),
    [
        ("p99 < 100ms", _times(5000, 0.002), Verdict.PASS),
        ("p99 < 100ms", _times(5000, 0.03), Verdict.FAIL),
        ("p99 < 100ms", _times(5000, 0.0095), Verdict.INCONCLUSIVE),
        ("p99 < 100ms", _times(458, 0.0), Verdict.INCONCLUSIVE),
        ("p99 < 100ms", _times(459, 0.0), Verdict.PASS),
        ("error_rate < 1%", _times(5000, 0.5), Verdict.PASS),
        ("error_rate < 1%", np.where(_times(5000, 0.03) > 0.1, np.inf, 0.01), Verdict.FAIL),
        ("mean < 50ms", _times(5000, 0.01), Verdict.PASS),
        ("mean < 5ms", _times(5000, 0.01), Verdict.FAIL),
        ("mean < 50ms", np.append(_times(500, 0.01), np.inf), Verdict.FAIL),
        ("p99/p50 < 5", _times(5000, 0.002), Verdict.PASS),
        ("p99/p50 < 5", _times(5000, 0.05), Verdict.FAIL),
        ("throughput > 400", _times(5000, 0.0), Verdict.PASS),
        ("throughput > 600", _times(5000, 0.0), Verdict.FAIL),
    ],
)
def test_a_run_is_judged_as_far_as_it_can_tell(
    objective: str, taken: np.ndarray, verdict: Verdict
) -> None:
    judgement = _judged(run_of(taken), objective)

    assert judgement.verdict is verdict, judgement.sentence


def test_what_was_not_answered_is_infinitely_late() -> None:
    taken = np.where(_times(5000, 0.03) > 0.1, np.inf, 0.01)
    judgement = _judged(run_of(taken), "p99 < 100ms")

    assert judgement.verdict is Verdict.FAIL
    assert judgement.value == np.inf
    assert judgement.sentence == "p99 has no bound, so many requests were not answered"


def test_an_interval_without_an_end_says_from_where_on() -> None:
    late = np.where(_times(5000, 0.0095) > 0.1, np.inf, 0.01)

    assert _judged(run_of(_times(100, 0.0)), "p99 < 1s").sentence.startswith(
        "p99 is 10.01 ms (10.01 ms or more); needs"
    )
    assert _judged(run_of(late), "p99 < 1s").sentence.startswith("p99 is 10.01 ms (10.01 ms or")


def test_too_few_requests_are_told_how_many_more_decide() -> None:
    few = _judged(run_of(_times(300, 0.0)), "p99 < 100ms")

    assert few.verdict is Verdict.INCONCLUSIVE
    assert few.sentence.endswith("needs 159 more requests")
    assert _judged(run_of(_times(300 + 159, 0.0)), "p99 < 100ms").verdict is Verdict.PASS


def test_a_miss_by_the_generators_lateness_alone_is_invalid() -> None:
    late = np.where(_times(5000, 0.03) > 0.1, 0.150, 0.0)
    judgement = _judged(run_of(_times(5000, 0.0), late=late), "p99 < 100ms")

    assert judgement.verdict is Verdict.INVALID
    assert "without the generator's lateness p99 is 10.01 ms" in judgement.sentence


def test_a_miss_that_lateness_only_adds_to_stays_a_fail() -> None:
    judgement = _judged(run_of(_times(5000, 0.05), late=0.010), "p99 < 100ms")

    assert judgement.verdict is Verdict.FAIL


def test_a_pass_stands_despite_lateness() -> None:
    judgement = _judged(run_of(_times(5000, 0.0), late=0.050), "p99 < 100ms")

    assert judgement.verdict is Verdict.PASS
    assert judgement.value == pytest.approx(0.060, abs=0.001)


def test_a_spoilt_run_is_neither_a_pass_nor_a_fail() -> None:
    for taken in (_times(5000, 0.0), _times(5000, 0.05)):
        run = replace(run_of(taken), problems=["worker 0 was lost"])
        judgement = _judged(run, "p99 < 100ms")

        assert judgement.verdict is Verdict.INVALID
        assert "worker 0 was lost" in judgement.sentence


@pytest.mark.parametrize(
    ("texts", "verdict"),
    [
        (["p99 < 100ms", "mean < 1s"], Verdict.PASS),
        (["p99 < 100ms", "mean < 1ms"], Verdict.FAIL),
        (["p99.99 < 1s", "mean < 1s"], Verdict.INCONCLUSIVE),
        ([], Verdict.NOT_RUN),
    ],
)
def test_a_report_is_as_good_as_its_worst_objective(texts: Sequence[str], verdict: Verdict) -> None:
    objectives = [Objective.parse(text) for text in texts]

    assert report_of(run_of(_times(5000, 0.0)), "", objectives).verdict is verdict


def test_the_throughput_of_all_at_once_is_that_until_the_last_answer() -> None:
    run = run_of(np.arange(1, 2049) / 1024)  # a thousand a second
    run.records.done[:] -= run.records.dispatched
    run.records.intended[:] = run.records.dispatched[:] = 0.0
    offline = replace(run, plan=replace(run.plan, arrivals="offline", seconds=60.0))

    assert _judged(offline, "throughput > 900").verdict is Verdict.PASS
    assert _judged(offline, "throughput > 1100").verdict is Verdict.FAIL
    assert report_of(offline, "", []).summary.achieved == pytest.approx(1024)


def test_a_spoilt_run_without_objectives_is_invalid() -> None:
    run = run_of(_times(500, 0.0))
    run.records.fate[3] = Fate.SHED

    assert report_of(run, "", []).verdict is Verdict.INVALID
