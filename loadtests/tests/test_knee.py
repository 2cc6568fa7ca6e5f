"""How much one replica serves."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from servespec.stats.capacity import Search
from servespec.target.objective import Objective
from servespec.verdicts.verdict import Verdict

from ..comparing.knee import Step, bound_of, fitted, search_steps, seconds_for, step_of, until_told
from ..comparing.saturation import Saturation, Watched
from ..sending.records import Fate, Records
from .runs import run_of
from .scripted import scripted


def step(rate: float, verdict: Verdict = Verdict.PASS, tail: float = 0.1) -> Step:
    return Step(rate, 1.0, rate, tail, verdict, "", None)


def test_the_search_ends_between_the_last_rate_met_and_the_first_missed() -> None:
    def offer(rate: float, _number: int) -> Step:
        return step(rate, Verdict.PASS if rate < 130 else Verdict.FAIL)

    steps, capacity = search_steps(Search(20, 1, 1000, 0.05, repeats=3), offer)

    assert capacity.rate is not None
    assert capacity.missed is not None
    assert capacity.rate < 130 <= capacity.missed <= capacity.rate * 1.05
    assert [each.rate for each in steps].count(capacity.rate) == 3


def test_a_rate_that_cannot_be_told_is_offered_for_longer() -> None:
    asked: list[int] = []

    def offer(longer: int) -> Step:
        asked.append(longer)
        return step(10, Verdict.PASS if longer == 4 else Verdict.INCONCLUSIVE)

    assert until_told(offer).verdict is Verdict.PASS
    assert asked == [1, 2, 4]


def test_a_rate_that_can_never_be_told_is_given_up() -> None:
    assert until_told(lambda _: step(10, Verdict.INCONCLUSIVE)).verdict is Verdict.INCONCLUSIVE


def test_the_bend_of_the_logarithm_is_found() -> None:
    rates = [20.0, 40, 60, 80, 100, 120, 140]
    tails = [0.01 * math.exp(max(0.0, rate - 90) / 10) for rate in rates]

    knee = fitted([step(rate, tail=tail) for rate, tail in zip(rates, tails, strict=True)])

    assert knee is not None
    assert knee.load == pytest.approx(90, rel=0.05)


def test_steps_that_the_generator_spoilt_do_not_bend_anything() -> None:
    assert fitted([step(rate, Verdict.INVALID) for rate in range(1, 20)]) is None


def test_a_step_is_long_enough_for_its_objectives() -> None:
    objectives = [Objective.parse("p99 < 100ms"), Objective.parse("p50 < 2s")]

    assert seconds_for(objectives, 10, 5) == 4 * 459 / 10
    assert seconds_for(objectives, 10_000, 5) == 5
    assert bound_of(objectives) == 2


def looked(records: Records, until: float) -> Saturation:
    """Look every fifth of a second at a run that is known to its end."""
    saturation = Saturation(bound=0.1)
    for now in np.arange(0.2, until, 0.2):
        then = Records.planned(records.intended)
        begun, done = records.dispatched <= now, records.done <= now
        then.dispatched[begun] = records.dispatched[begun]
        then.fate[done] = Fate.ANSWERED
        if saturation.look(float(now), then):
            break
    return saturation


def test_a_server_that_falls_behind_for_good_is_not_drowned_for_long() -> None:
    taken = 0.05 + 0.5 * np.arange(5120) / 512  # half of what comes is left

    drowned = looked(run_of(taken).records, 10.0).drowned

    assert drowned is not None
    assert drowned < 3


def test_a_slow_server_that_keeps_up_is_not_stopped() -> None:
    assert looked(run_of(np.full(5120, 0.5)).records, 10.0).drowned is None


def test_a_server_of_which_some_answers_never_come_is_not_stopped() -> None:
    taken = np.where(np.arange(5120) % 200 == 0, 100.0, 0.02)

    assert looked(run_of(taken).records, 10.0).drowned is None


def test_a_server_that_was_stopped_missed_its_objectives() -> None:
    run = run_of(np.full(512, 0.01))
    run.records.fate[256:] = Fate.UNASKED

    stopped = step_of(Watched(run, drowned=0.5), [Objective.parse("p99 < 100ms")])

    assert stopped.verdict is Verdict.FAIL
    assert stopped.achieved == 512


def test_a_generator_that_fell_behind_is_told_from_a_server_that_did() -> None:
    run = run_of(np.full(512, 0.01), late=0.4)
    run.records.fate[256:] = Fate.UNASKED

    stopped = step_of(Watched(run, drowned=0.5), [Objective.parse("p99 < 100ms")])

    assert stopped.verdict is Verdict.INVALID


def test_live_the_capacity_of_a_server_is_found(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "loadtests.comparing.knee", "--slo", "p90<50ms"]
    command += ["--rate", "130"]
    command += ["--seconds", "1", "--repeats", "1", "--resolution", "1"]
    with scripted(tmp_path / "log") as address:
        command += ["--target-url", f"{address}/one5", "--json", str(tmp_path / "knee.json")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    told = json.loads((tmp_path / "knee.json").read_text())

    assert done.returncode == 0
    assert (told["capacity"], told["missed"], told["limit"]) == (130, 260, "FAIL")
    assert told["steps"][-1]["drowned"] or told["steps"][-1]["seconds"] == 1
    assert "one replica" in done.stdout


def test_a_server_that_does_not_answer_is_told_in_a_line() -> None:
    command = [sys.executable, "-m", "loadtests.comparing.knee", "--slo", "p90<50ms"]
    command += ["--target-url", "http://127.0.0.1:9", "--rate", "200", "--seconds", "0.2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 2
    assert "expected right answers, found" in done.stderr
