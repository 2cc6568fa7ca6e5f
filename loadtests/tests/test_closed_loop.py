"""MLPerf's closed loops: each query waits for the one before, and tells no more than it can."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from servespec.target.objective import Objective
from servespec.verdicts.verdict import Verdict

from ..judging.evidence import of_queries
from ..judging.gates import Run
from ..judging.report import report_of
from ..judging.scenario import fits, must_fit, scenario_of
from ..profiles import PROFILES
from ..sending.plan import Plan, PlanError
from .loading import Ended, Loading, load
from .misbehaving import Misbehaving, Reply, misbehaving
from .runs import run_of

SINGLE, MULTI = Plan("single-stream"), Plan("multi-stream:8")


def closed(plan: Plan, taken: np.ndarray) -> Run:
    return replace(run_of(taken), plan=plan)


@pytest.mark.parametrize(
    ("plan", "text", "told"),
    [
        (SINGLE, "p90 < 1s", True),
        (SINGLE, "p99 < 1s", False),
        (MULTI, "p99 < 1s", True),
        (MULTI, "p90 < 1s", False),
        (SINGLE, "error_rate < 1%", False),
        (SINGLE, "p90/p50 < 2", False),
        (Plan("server"), "p99 < 1s", True),
    ],
)
def test_a_closed_loop_tells_its_own_percentile_alone(plan: Plan, text: str, told: bool) -> None:
    objective = Objective.parse(text)

    assert fits(plan, objective) is told
    if told:
        must_fit(plan, [objective])
    else:
        with pytest.raises(PlanError, match="which is a closed loop and asks a slow server less"):
            must_fit(plan, [objective])


def test_a_query_takes_as_long_as_its_slowest_request() -> None:
    taken = np.array([1.0, 9, 2, 2, 3, 1, 1, 1] + [5.0, np.inf] + [5.0] * 6 + [4.0])

    assert of_queries(MULTI, taken).tolist() == [9.0, np.inf]
    assert of_queries(SINGLE, taken).tolist() == taken.tolist()


@pytest.mark.parametrize(("plan", "fewest"), [(SINGLE, 64), (MULTI, 662)])
def test_early_stopping_takes_as_many_queries_as_in_mlperf(plan: Plan, fewest: int) -> None:
    enough = scenario_of(closed(plan, np.full(fewest * plan.together, 0.25)))
    short = scenario_of(closed(plan, np.full((fewest - 1) * plan.together, 0.25)))

    assert enough is not None
    assert (enough.queries, enough.proven, enough.missing) == (fewest, 0.25, 0)
    assert short is not None
    assert (short.proven, short.missing) == (np.inf, 1)


def test_what_is_proven_is_above_what_was_seen() -> None:
    taken = np.random.default_rng(1).lognormal(-3, 0.5, 4096)

    found = scenario_of(closed(SINGLE, taken))

    assert found is not None
    assert found.seen < found.proven < 1.15 * found.seen


def test_the_objective_is_held_against_queries_not_requests() -> None:
    taken = np.where(np.arange(8 * 1000) % 160 == 0, 0.2, 0.01)  # 1 request in 160, 1 query in 20
    objective = [Objective.parse("p99 < 100ms")]

    assert report_of(run_of(taken), "", objective).verdict is Verdict.PASS
    assert report_of(closed(MULTI, taken), "", objective).verdict is Verdict.FAIL


def test_an_open_loop_has_no_scenario() -> None:
    assert report_of(run_of(np.full(100, 0.01)), "", []).scenario is None


@pytest.mark.parametrize("name", ["single-stream", "multi-stream"])
def test_the_profiles_say_that_they_are_closed(name: str) -> None:
    assert "CLOSED LOOP" in PROFILES[name].purpose
    assert Plan(PROFILES[name].options["arrivals"]).together == {"s": 1, "m": 8}[name[0]]


def run(folder: Path, name: str, server: Misbehaving, *words: str) -> Ended:
    return load(folder, f"--target-url={server.url}", f"--profile={name}", *words)


def test_live_one_after_the_other_until_the_time_is_over(tmp_path: Path) -> None:
    with misbehaving(lambda _: Reply(seconds=0.02)) as server:
        ended = run(tmp_path, "single-stream", server, "--seconds=3", "--slo=p90 < 1s")
    scenario, summary = ended.report["scenario"], ended.report["summary"]

    assert (ended.code, ended.report["verdict"]) == (0, "PASS"), ended.text
    assert server.numbers == list(range(summary["requests"]))
    assert summary["fates"] == {"answered": scenario["queries"]}
    assert 70 < scenario["queries"] <= 150
    assert scenario["seen"] >= 0.02
    if scenario["missing"]:  # a machine that slows down in bursts: alike queries prove nothing
        assert scenario["proven"] is None
    else:
        assert scenario["seen"] <= scenario["proven"] < 0.1
    assert "(CLOSED LOOP)" in ended.text
    assert "CLOSED LOOP single-stream: p90 of" in ended.text
    assert "Closed loop:" in (next(tmp_path.rglob("load.html"))).read_text()


def test_live_eight_at_once_and_then_the_next_eight(tmp_path: Path) -> None:
    with misbehaving(lambda _: Reply(seconds=0.002)) as server:
        words = ["--seconds=2", "--rate=80", "--slo=p99 < 1s", "--in-flight=8"]
        ended = run(tmp_path, "multi-stream", server, *words)

    assert ended.report["scenario"]["queries"] == 20
    assert ended.report["scenario"]["seen"] >= 0.014  # the last of eight, one after the other
    assert [sorted(server.numbers[each : each + 8]) for each in range(0, 160, 8)] == [
        list(range(each, each + 8)) for each in range(0, 160, 8)
    ]
    assert ended.report["judgements"][0]["verdict"] == "INCONCLUSIVE"
    assert ended.report["spoilt"] == []


def test_live_what_is_lost_counts_and_the_next_is_asked(tmp_path: Path) -> None:
    with misbehaving(lambda number: Reply(hangs=number == 3)) as server:
        words = ["--seconds=10", "--rate=2", "--answer-seconds=1"]
        ended = run(tmp_path, "single-stream", server, *words)

    assert ended.report["summary"]["fates"] == {"answered": 19, "lost": 1}
    assert ended.report["spoilt"] == []


def test_live_a_loop_that_somebody_stopped_says_nothing(tmp_path: Path) -> None:
    begun: list[Loading] = []

    def script(number: int) -> Reply:
        if number == 20:
            begun[0].process.send_signal(signal.SIGTERM)
        return Reply(seconds=0.02)

    with misbehaving(script) as server:
        words = [f"--target-url={server.url}", "--profile=single-stream", "--seconds=30"]
        begun.append(Loading(tmp_path, words))
        ended = begun[0].ended()

    assert ended.report["verdict"] == "INVALID"
    assert any("stopped before" in why for why in ended.report["spoilt"])
    assert ended.left == []


@pytest.mark.parametrize(
    ("words", "mistake"),
    [
        (["--slo=p99 < 1s"], "slo: expected p90 alone of single-stream"),
        (["--processes=2"], "--processes: expected 1 for single-stream, which is one loop"),
    ],
)
def test_live_what_it_cannot_tell_is_refused_in_one_line(words: list[str], mistake: str) -> None:
    asked = ["--target-url=http://127.0.0.1:1", "--profile=single-stream", *words]
    command = [sys.executable, "-m", "servespec", "load", *asked]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert mistake in done.stderr


def test_a_capacity_is_none_of_a_closed_loop() -> None:
    module = ["-m", "loadtests.comparing.knee", "--arrivals", "single-stream"]
    words = ["--target-url", "http://127.0.0.1:1", "--slo", "p90 < 1s"]
    command = [sys.executable, *module, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "arrivals: expected an open loop, found single-stream" in done.stderr
