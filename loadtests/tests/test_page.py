"""The page of a run: readable without any other file, whatever became of the requests."""

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from servespec.target.objective import Objective

from ..judging.budget import Limit
from ..judging.report import report_of
from ..sending.records import Fate
from ..showing.page import page
from .runs import run_of

OBJECTIVES = [Objective.parse(text) for text in ("p99 < 100ms", "error_rate < 1%", "p99/p50 < 5")]
KINDS = {
    "good": np.full(5120, 0.01),
    "all failed": np.full(5120, np.inf),
    "half failed": np.tile([0.01, np.inf], 2560),
    "less than a second": np.full(40, 0.003),
    "one request": np.array([0.003]),
    "twenty minutes": np.tile([0.003, 0.3], 512 * 600),
}


def recorded(taken: np.ndarray, address: str = "http://127.0.0.1:8000") -> dict[str, Any]:
    """A report as it comes back from its file."""
    report = report_of(run_of(taken), address, OBJECTIVES)
    values: dict[str, Any] = json.loads(json.dumps(report.to_json(), allow_nan=False))
    return values


@pytest.mark.parametrize("kind", KINDS)
def test_every_verdict_stands_on_the_page_with_its_sentence(kind: str) -> None:
    report = recorded(KINDS[kind])
    text = page(report)
    assert len(report["judgements"]) == 3
    for each in report["judgements"]:
        assert f">{each['verdict']}</span>" in text
        assert each["sentence"].replace("<", "&lt;").replace("'", "&#39;") in text


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_loads_nothing(kind: str) -> None:
    text = page(recorded(KINDS[kind]))
    assert not re.findall(r"(?:src|href)\s*=|url\(|@import|<script|<link", text)


@pytest.mark.parametrize("kind", KINDS)
def test_no_number_on_the_page_is_none_or_not_one(kind: str) -> None:
    assert not re.findall(r"\b(?:nan|None|inf)\b", page(recorded(KINDS[kind])))


def test_a_long_run_stays_a_small_page() -> None:
    assert len(page(recorded(KINDS["twenty minutes"]))) < 400_000


def test_requests_without_an_answer_are_shown_as_such_in_both_charts_of_times() -> None:
    text = page(recorded(KINDS["half failed"]))
    assert 'class="unanswered"' in text
    assert "not answered: up to 256 in a column" in text
    assert 'class="unanswered"' not in page(recorded(KINDS["good"]))


def test_a_run_that_was_stopped_before_its_first_request_is_a_page_too() -> None:
    run = run_of(np.full(40, 0.01))
    run.records.fate[:] = Fate.UNASKED
    for name in ("dispatched", "sent", "first", "done"):
        getattr(run.records, name)[:] = np.nan
    text = page(report_of(run, "http://127.0.0.1:8000", OBJECTIVES).to_json())
    assert "stopped before 40 of 40 requests were sent" in text


def test_an_address_cannot_bring_markup_with_it() -> None:
    text = page(recorded(KINDS["good"], "http://<script>alert(1)</script>"))
    assert "<script>alert" not in text


def test_the_command_on_the_page_asks_for_the_same_again() -> None:
    text = page(recorded(KINDS["good"]))
    assert "--rate 512 --seconds 10 --seed 1" in text
    assert "--slo &#39;p99 &lt; 100ms&#39;" in text


def test_every_part_of_the_budget_is_on_the_page_with_its_verdict() -> None:
    header = "queue;dur=2, compute;dur=5, total;dur=8"
    run = replace(run_of(KINDS["good"]), timings=dict.fromkeys(range(0, 5120, 16), header))
    report = report_of(run, "http://127.0.0.1:8000", [], [Limit.parse("inference < 4ms")])
    text = page(json.loads(json.dumps(report.to_json())))
    for part in ("lag", "network", "queue", "inference", "residual"):
        assert f"<td>{part}</td>" in text
    assert "inference 5 ms, 50%" in text
    assert "--budget &#39;inference mean &lt; 4ms&#39;" in text
