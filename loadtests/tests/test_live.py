"""A run that goes on is reported by what is wholly known of it."""

from dataclasses import replace

import numpy as np

from servespec.target.objective import Objective
from servespec.verdicts.verdict import Verdict

from ..judging.gates import Run
from ..sending.records import Fate
from ..showing.page import live_body
from ..showing.webui.live import Now, so_far
from .runs import run_of

ASKED = [Objective.parse("p99 < 100ms")]


def going_on(taken: np.ndarray, pending: np.ndarray) -> Run:
    """A run of which some requests have no fate yet."""
    run = run_of(taken)
    run.records.fate[pending] = Fate.PENDING
    run.records.done[pending] = np.nan
    return run


def test_what_is_known_ends_before_the_second_of_the_first_request_without_a_fate() -> None:
    run = going_on(np.full(5120, 0.01), np.arange(512 * 6 + 100, 5120))
    report = so_far(run, "", ASKED)
    assert report is not None
    assert (report.summary.requests, len(report.summary.moments)) == (512 * 6, 6)
    assert report.judgements[0].verdict is Verdict.PASS


def test_quick_answers_after_a_slow_one_do_not_make_the_tail_look_better() -> None:
    run = going_on(np.full(5120, 0.01), np.array([512 * 3 + 7]))
    report = so_far(run, "", ASKED)
    assert report is not None
    assert len(report.summary.moments) == 3


def test_nothing_is_said_before_the_first_second_is_known() -> None:
    assert so_far(going_on(np.full(5120, 0.01), np.arange(100, 5120)), "", ASKED) is None


def test_a_run_that_goes_on_is_not_called_worthless_for_what_is_still_to_come() -> None:
    run = going_on(np.full(5120, 0.01), np.arange(2048, 5120))
    report = so_far(run, "", [Objective.parse("p50 < 1ms")])
    assert report is not None
    assert report.spoilt == []
    assert report.judgements[0].verdict is Verdict.FAIL


def test_the_page_says_what_it_waits_for() -> None:
    assert "No run has begun" in live_body(Now("none"))
    assert "rate: &lt;b&gt;" in live_body(Now("mistaken", "rate: <b>"))
    assert "measures itself" in live_body(Now("preparing"))
    assert "1,200 requests under way" in live_body(Now("running", "", 0.9, 1200))


def test_the_budget_is_told_of_what_is_known() -> None:
    run = going_on(np.full(5120, 0.01), np.arange(2048, 5120))
    told = dict.fromkeys(range(0, 5120, 16), "queue;dur=2, compute;dur=5, total;dur=8")
    report = so_far(replace(run, timings=told), "", ASKED)
    assert report is not None
    assert report.budget is not None
    assert report.budget.requests == 128
