"""Whether a server has become slower."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from servespec.verdicts.verdict import Verdict

from ..comparing.baseline import Baseline, BaselineError, Fingerprint
from ..comparing.regression import Rule, against, compared, fingerprint_of, rendered, report_of
from ..comparing.rounds import Rounds, interleaved
from ..judging.gates import Run
from ..sending.plan import Plan
from ..sending.records import Fate
from .runs import run_of
from .scripted import scripted

RULE = Rule(margin=1.05, alpha=0.01)
CALIBRATION = {"rate": 100.0, "bare": [0.0], "lag": [0.0], "response": [0.0], "reached": 9e3}


def blocks(seed: int, factor: float = 1.0, size: int = 200) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [factor * 0.05 * random.lognormal(0, 0.25, size) for _ in range(12)]


def runs(seed: int, factor: float = 1.0) -> list[Run]:
    return [run_of(block) for block in blocks(seed, factor)]


def verdicts(old: Sequence[np.ndarray], new: Sequence[np.ndarray]) -> set[Verdict]:
    return {change.verdict for change in compared(old, new, RULE)}


def test_a_fifth_more_is_slower() -> None:
    assert verdicts(blocks(1), blocks(2, 1.2)) == {Verdict.FAIL}


def test_a_fifth_less_is_not_slower() -> None:
    assert verdicts(blocks(1), blocks(2, 0.8)) == {Verdict.PASS}


def test_the_same_in_many_requests_is_not_slower() -> None:
    assert verdicts(blocks(1, size=20_000), blocks(2, size=20_000)) == {Verdict.PASS}


def test_few_requests_cannot_tell_and_say_how_many_rounds_would() -> None:
    changes = compared(blocks(1, size=20), blocks(2, size=20), RULE)

    assert changes[-1].verdict is Verdict.INCONCLUSIVE
    assert changes[-1].missing
    assert changes[-1].missing > 12


def test_an_old_one_that_does_not_answer_is_nothing_to_compare_with() -> None:
    silent = [np.full(50, np.inf) for _ in range(12)]

    assert verdicts(silent, silent) == {Verdict.INVALID}


def test_a_new_one_that_does_not_answer_is_slower() -> None:
    silent = [np.full(50, np.inf) for _ in range(12)]

    assert verdicts(blocks(1), silent) == {Verdict.FAIL}


def test_a_fault_of_the_generator_makes_the_comparison_invalid() -> None:
    new = runs(2, 1.2)
    new[3].records.fate[7] = Fate.SHED

    report = report_of(("old", "new"), Rounds([runs(1), new]), RULE, CALIBRATION)

    assert report.verdict is Verdict.INVALID
    assert "shed" in report.spoilt[0]


def test_both_get_the_same_schedule_and_begin_in_turn() -> None:
    asked: list[tuple[str, int]] = []

    def ask(name: str, plan: Plan) -> Run:
        asked.append((name, plan.seed))
        return run_of(np.ones(5))

    interleaved(Plan(seed=7), 3, [lambda plan: ask("a", plan), lambda plan: ask("b", plan)])

    assert asked == [("a", 7), ("b", 7), ("b", 8), ("a", 8), ("a", 9), ("b", 9)]


def stalled(taken: np.ndarray) -> Run:
    """A block at whose end the generator stood still."""
    run = run_of(taken)
    run.records.dispatched[-5:] += 1.0
    run.records.done[-5:] += 1.0
    return run


def test_a_round_that_the_generator_spoilt_is_measured_again_and_told_of() -> None:
    measured: list[int] = []

    def ask(plan: Plan) -> Run:
        measured.append(plan.seed)
        taken = blocks(plan.seed)[0]
        first = plan.seed == 2 and measured.count(2) == 1
        return stalled(taken) if first else run_of(taken)

    rounds = interleaved(Plan(seed=1), 12, [ask, lambda plan: run_of(blocks(plan.seed)[0])])
    report = report_of(("old", "new"), rounds, RULE, CALIBRATION)

    assert [each.number for each in report.discarded] == [2]
    assert measured == [1, 2, 2, *range(3, 13)]
    assert report.verdict is not Verdict.INVALID
    assert "round 2 was measured again: the generator had sent 97.5%" in rendered(report)
    assert len(report.to_json()["discarded"][0]["percentiles"]) == 2


def test_what_is_spoilt_again_and_again_stays_invalid() -> None:
    taken = np.full(40, 0.01)
    rounds = interleaved(Plan(seed=1), 12, [lambda _: stalled(taken), lambda _: run_of(taken)])

    assert [each.number for each in rounds.discarded[:4]] == [1, 1, 1, 2]
    report = report_of(("old", "new"), rounds, RULE, CALIBRATION)
    assert report.verdict is Verdict.INVALID


def test_a_block_whose_last_request_alone_is_late_is_not_measured_again() -> None:
    run = run_of(np.full(40, 0.01))
    run.records.dispatched[-1] += 1.0
    run.records.done[-1] += 1.0

    assert interleaved(Plan(), 3, [lambda _: run]).discarded == []


def test_a_stored_baseline_is_compared_with_and_called_indicative(tmp_path: Path) -> None:
    new = runs(2, 1.2)
    stored = Baseline.of("old", fingerprint_of(new[0].plan), blocks(1))
    stored.write(tmp_path / "baseline.json")

    report = against(
        Baseline.read(tmp_path / "baseline.json"), "new", Rounds([new]), RULE, CALIBRATION
    )

    assert report.verdict is Verdict.FAIL
    assert "indicative" in report.caveat


def test_a_baseline_of_another_machine_is_shown_and_gives_no_verdict() -> None:
    new = runs(2, 1.2)
    elsewhere = replace(fingerprint_of(new[0].plan), processor="another")

    report = against(
        Baseline.of("old", elsewhere, blocks(1)), "new", Rounds([new]), RULE, CALIBRATION
    )

    assert report.verdict is Verdict.INVALID
    assert "processor another" in report.spoilt[0]
    assert report.changes[0].comparison.ratio == pytest.approx(1.2, rel=0.05)


def test_another_plan_is_another_fingerprint() -> None:
    assert fingerprint_of(Plan(rate=10)) != fingerprint_of(Plan(rate=11))
    assert fingerprint_of(Plan()) == fingerprint_of(Plan())
    assert Fingerprint.here("x").cores > 0


@pytest.mark.parametrize("text", ["", "[]", '{"blocks": []}'])
def test_a_file_that_is_no_baseline_is_named(text: str, tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_text(text)

    with pytest.raises(BaselineError, match=r"other\.json: expected a stored baseline"):
        Baseline.read(file)


def test_live_a_fifth_is_caught_and_the_same_raises_no_alarm(tmp_path: Path) -> None:
    with scripted(tmp_path / "log") as address:
        both = {factor: begun(address, factor, tmp_path) for factor in ("1.2", "1.0")}
        codes = {factor: command.wait(timeout=60) for factor, command in both.items()}
    told = {factor: json.loads((tmp_path / factor).read_text()) for factor in both}

    assert codes["1.2"] == 1
    assert told["1.2"]["verdict"] == "FAIL"
    assert told["1.0"]["verdict"] in ("PASS", "INCONCLUSIVE")
    assert codes["1.0"] == (told["1.0"]["verdict"] != "PASS")


def begun(address: str, factor: str, folder: Path) -> subprocess.Popen[bytes]:
    """The command against the same server, whose times are multiplied."""
    command = [sys.executable, "-m", "loadtests.comparing.regression", "--old", f"{address}/x1"]
    command += ["--new", f"{address}/x{factor}", "--rounds", "10", "--rate", "200"]
    command += ["--seconds", "0.25", "--json", str(folder / factor)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)
