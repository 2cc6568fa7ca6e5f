"""Where answers tell nothing of their time, the server's own counters do, from look to look."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from servespec.fixtures import build
from servespec.target.manifest import load as read_target
from servespec.target.process import TargetProcess
from servespec.target.sections import Metrics
from servespec.verdicts.verdict import Verdict

from ..counting import Counting, Places
from ..judging.budget import Budget, Limit, budget_of
from ..judging.counters import Counted, Counters, of_metrics, of_triton
from ..judging.gates import Run
from ..sending.access import Access
from ..sending.plan import Plan
from .driving import drive
from .keeping_count import INFER, QUEUE, REST, keeping_count
from .loading import Ended, load
from .runs import run_of

LOAD = ["--profile=smoke", "--rate=80", "--seconds=2.5"]
LIMITS = ["--budget=inference < 50ms", "--budget=queue p99 < 5ms", "--budget=lag < 1s"]
REFERENCE = """
[target]
name = "reference"

[start]
command = ["{python}", "-m", "servespec.suites.reference_server", "--models", "{models}",
  "--http-port", "{http_port}", "--grpc-port", "{grpc_port}"]
"""


def grown(*requests: int, seconds: float = 0.005) -> Counted:
    """Looks between which so many requests were answered, each in 10 ms, most of it known."""
    counts = np.cumsum([100, *requests]).tolist()
    looks = [
        Counters(each, {"total": 0.010 * each, "inference": seconds * each}) for each in counts
    ]
    return Counted("counters", looks)


def counted(looks: Counted, taken: float = 0.012, count: int = 400) -> Run:
    return replace(run_of(np.full(count, taken)), counted=looks)


def means(budget: Budget | None) -> dict[str, float]:
    assert budget is not None
    return {part.name: round(part.mean, 4) for part in budget.parts}


def test_the_parts_add_up_to_the_response_time_with_the_residual() -> None:
    budget = budget_of(counted(grown(100, 100, 100, 100)), [])

    assert means(budget) == {"lag": 0.0, "network": 0.002, "inference": 0.005, "residual": 0.005}
    assert budget is not None
    assert budget.mean == pytest.approx(0.012, abs=1e-4)
    assert (budget.source, budget.requests) == ("counters", 400)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("inference < 6ms", Verdict.PASS),
        ("inference < 4ms", Verdict.FAIL),
        ("inference p99 < 6ms", Verdict.UNTESTABLE),
        ("queue < 1ms", Verdict.UNTESTABLE),
        ("residual < 6ms", Verdict.PASS),
        ("lag p95 < 1ms", Verdict.PASS),
    ],
)
def test_a_mean_is_held_against_its_limit_and_nothing_else_can_be(
    text: str, verdict: Verdict
) -> None:
    budget = budget_of(counted(grown(100, 100, 100, 100)), [Limit.parse(text)])

    assert budget is not None
    assert budget.judgements[0].verdict is verdict


def test_one_stretch_of_time_does_not_tell_how_sure_a_mean_is() -> None:
    budget = budget_of(counted(grown(400)), [Limit.parse("inference < 6ms")])

    assert budget is not None
    assert budget.judgements[0].verdict is Verdict.INCONCLUSIVE


def test_requests_of_others_among_the_counted_make_it_invalid() -> None:
    budget = budget_of(counted(grown(100, 100, 150, 150)), [Limit.parse("inference < 6ms")])

    assert budget is not None
    assert budget.judgements[0].verdict is Verdict.INVALID
    assert "counted 500 requests, and 400 were answered here" in budget.judgements[0].sentence


def test_counters_that_fell_are_those_of_another_start() -> None:
    assert grown(100, -150, 100).stretches() == []
    assert len(grown(*([5] * 80)).stretches()) == 24


def test_units_and_models_of_metrics_are_heeded() -> None:
    lines = ['a_us_sum{m="x"} 5000', 'a_us_sum{m="y"} 9', 'a_us_count{m="x"} 2', "q_ms_sum 3"]
    names = Metrics(request_seconds="a_us", queue_seconds="q_ms", model_label="m")

    assert of_metrics("\n".join(lines) + "\n", names, {"x"}) == Counters(
        2.0, {"total": 0.005, "queue": 0.003}
    )
    assert of_metrics("b 1\n", names, {"x"}) is None
    assert of_metrics("<html>{", names, {"x"}) is None


@pytest.mark.parametrize("document", [None, {}, {"model_stats": [{}]}, {"model_stats": "a"}, []])
def test_what_is_no_statistics_tells_nothing(document: object) -> None:
    assert of_triton([document]) is None


def loaded(folder: Path, url: str, *words: str) -> Ended:
    return load(folder, f"--target-url={url}", *LOAD, *LIMITS, *words)


@pytest.mark.parametrize(
    ("tells", "source"),
    [("statistics", "the statistics extension"), ("metrics", "metrics")],
)
def test_live_a_server_that_keeps_count_tells_its_parts(
    tmp_path: Path, tells: str, source: str
) -> None:
    with keeping_count(tells) as server:
        ended = loaded(tmp_path, server.url)
    budget = ended.report["budget"]
    seen = {part["name"]: part["mean"] for part in budget["parts"]}

    assert (budget["source"], budget["requests"]) == (source, 200)
    assert seen["queue"] == pytest.approx(QUEUE)
    assert seen["inference"] == pytest.approx(INFER)
    assert seen["residual"] == pytest.approx(REST)
    assert sum(seen.values()) == pytest.approx(budget["mean"])
    verdicts = [each["verdict"] for each in budget["judgements"]]
    assert verdicts == ["PASS", "UNTESTABLE", "PASS"]
    assert f"by {source} of 200 answers" in ended.text
    assert "residual      1 ms on average\n" in ended.text


def test_live_others_at_the_same_server_are_noticed(tmp_path: Path) -> None:
    with keeping_count("statistics", strangers=1) as server:
        ended = loaded(tmp_path, server.url)

    assert ended.report["budget"]["judgements"][0]["verdict"] == "INVALID"
    assert "the server counted 400 requests, and 200 were answered here" in ended.text


def test_live_what_answers_tell_themselves_goes_before(tmp_path: Path) -> None:
    with keeping_count("statistics", timing="total;dur=4, queue;dur=1") as server:
        ended = loaded(tmp_path, server.url)

    assert ended.report["budget"]["source"] == "Server-Timing"


def test_live_a_server_that_tells_nothing_leaves_its_parts_untestable(tmp_path: Path) -> None:
    with keeping_count("nothing") as server:
        ended = loaded(tmp_path, server.url)

    assert {each["verdict"] for each in ended.report["budget"]["judgements"]} == {"UNTESTABLE"}


def test_live_the_metrics_of_the_reference_server_are_a_budget(tmp_path: Path) -> None:
    (tmp_path / "target.toml").write_text(REFERENCE)
    build(tmp_path / "models", ["identity_fp32"])
    manifest, log = read_target(tmp_path / "target.toml"), tmp_path / "log"
    with TargetProcess.start(manifest, models=tmp_path / "models", log=log) as process:
        process.wait_ready()
        url = str(process.addresses.rest)
        counting = Counting(Plan(), Places(url, f"{url}/metrics", Metrics()), Access())
        counting.look()
        driven = drive(url, np.arange(100) / 100)
        counting.look()
        seen = counting.counted()
        counting.close()
    run = Run(Plan(seconds=1.0), driven.records, [], driven.area, [], 0.0, counted=seen)
    budget = budget_of(run, [])

    assert budget is not None
    assert (budget.source, budget.requests) == ("metrics", 100)
    assert {"queue", "inference", "residual"} <= set(means(budget))
    taken = driven.records.response_seconds()
    assert budget.mean == pytest.approx(float(taken.mean()))
    assert all(part.mean > 0 for part in budget.parts if part.name != "residual")
