"""What a check does becomes the verdict, the exit code and the report, whatever happens."""

import signal
import time
from pathlib import Path

import pytest

from servespec.verdicts.verdict import Verdict

from .judging import SECONDS, Workplace

PASSES = """
@requirement("HTTP-001")
def test_passes(target):
    target.rest.get("/v2").must_succeed()
"""
FAILS = """
@requirement("HTTP-002")
def test_fails(target):
    target.rest.get("/nowhere").must_succeed()
"""
SHOULD_FAILS = """
@requirement("HTTP-005")
def test_should(target):
    assert False, "it might be better"
"""
NOT_APPLICABLE = """
@requirement("HTTP-003")
def test_not_applicable(target):
    raise NotApplicable("no such feature")
"""
UNTESTABLE = """
@requirement("HTTP-004")
def test_untestable(target):
    target.fixture("add_sub")
"""
ERRS = """
@requirement("HTTP-008")
def test_errs(target):
    {}["key"]
"""
KILLS = """
@requirement("HTTP-010", kind="may-kill")
def test_kills(target):
    target.rest.get("/die")
"""
BREAKS = """
@requirement("HTTP-010", kind="may-kill")
def test_breaks(target):
    target.rest.get("/break").must_succeed()
"""
SAFELY_KILLS = KILLS.replace(', kind="may-kill"', "")
AFTERWARDS = PASSES.replace("HTTP-001", "HTTP-013").replace("test_passes", "test_afterwards")
HANGS = """
@requirement("HTTP-014")
def test_hangs(target):
    target.rest.request("GET", "/hang", timeout=60)
"""
RANDOMISED = """
from hypothesis import given, strategies

ASKED = []

@requirement("HTTP-015")
@given(texts=strategies.lists(strategies.text(max_size=16), min_size=5))
def test_randomised(target, texts):
    ASKED.append(texts)
    target.record("asked", ASKED)
"""


OWN_SERVER = """
@requirement("HTTP-016")
def test_own_server(target):
    with target.fresh() as own:
        own.target.rest.get("/die")
        own.exit(within=5)
    target.rest.get("/v2").must_succeed()
"""
SPOILT = """
from servespec.target.outcomes import Invalid, Inconclusive

@requirement("HTTP-001")
def test_spoilt(target):
    raise Invalid("the burst was spread over 9 ms")

@requirement("HTTP-002")
def test_too_little(target):
    raise Inconclusive("seen twice")
"""


PLAIN = """
def test_of_the_users_own():
    assert False
"""


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


def test_a_check_that_ends_well_is_a_pass(workplace: Workplace) -> None:
    judged = workplace.judge(PASSES)

    assert (judged.code, judged.checks["HTTP-001"].verdict) == (0, Verdict.PASS)


def test_what_a_check_has_broken_is_not_the_next_ones_to_pay_for(workplace: Workplace) -> None:
    judged = workplace.judge(BREAKS + AFTERWARDS)

    assert judged.checks["HTTP-010"].verdict is Verdict.FAIL
    assert judged.checks["HTTP-013"].verdict is Verdict.PASS


def test_a_target_that_dies_of_an_optional_check_is_red_all_the_same(
    workplace: Workplace,
) -> None:
    judged = workplace.judge(KILLS.replace("HTTP-010", "HTTP-005") + AFTERWARDS)

    assert judged.code == 1
    assert judged.checks["HTTP-005"].verdict is Verdict.FAIL


@pytest.mark.parametrize("given", [(), ("--target", "target.toml")])
def test_a_check_may_kill_a_server_of_its_own_wherever_the_judged_one_runs(
    workplace: Workplace, given: tuple[str, ...]
) -> None:
    with workplace.serving() as url:
        beside = [*given, "--target-url", url] if given else []
        judged = workplace.judge(OWN_SERVER, PASSES, options=beside)

    assert judged.code == 0
    assert len(judged.checks["HTTP-016"].evidence) == 1
    assert workplace.left() == []


def test_a_check_that_needs_a_server_of_its_own_is_untestable_by_url(workplace: Workplace) -> None:
    with workplace.serving() as url:
        judged = workplace.judge(OWN_SERVER, options=["--target-url", url])

    found = judged.checks["HTTP-016"]
    assert found.verdict is Verdict.UNTESTABLE
    assert "a start command" in found.sentence


def test_a_spoilt_measurement_and_one_of_too_little_are_red(workplace: Workplace) -> None:
    judged = workplace.judge(SPOILT)

    verdicts = [judged.checks[id].verdict for id in ("HTTP-001", "HTTP-002")]
    assert (judged.code, verdicts) == (1, [Verdict.INVALID, Verdict.INCONCLUSIVE])
    assert "2 failed" in judged.printed


def test_a_failing_test_beside_the_checks_is_not_forgotten(workplace: Workplace) -> None:
    assert workplace.judge(PASSES + PLAIN).code == 1


def test_a_must_that_does_not_hold_is_a_fail_with_evidence(workplace: Workplace) -> None:
    judged = workplace.judge(FAILS)

    found = judged.checks["HTTP-002"]
    assert (judged.code, found.verdict) == (1, Verdict.FAIL)
    assert "answered 404" in found.sentence
    assert "/nowhere" in found.evidence[-1]["command"]
    assert "curl" in judged.printed


def test_a_should_that_does_not_hold_warns_and_stays_green(workplace: Workplace) -> None:
    judged = workplace.judge(SHOULD_FAILS)

    assert (judged.code, judged.checks["HTTP-005"].verdict) == (0, Verdict.FAIL)
    assert "1 passed, 1 warning" in judged.printed
    assert "it might be better" in judged.printed


def test_what_does_not_apply_is_skipped(workplace: Workplace) -> None:
    judged = workplace.judge(NOT_APPLICABLE)

    assert (judged.code, judged.checks["HTTP-003"].verdict) == (0, Verdict.NOT_APPLICABLE)
    assert "1 skipped" in judged.printed


def test_a_missing_fixture_is_red(workplace: Workplace) -> None:
    judged = workplace.judge(UNTESTABLE)

    assert (judged.code, judged.checks["HTTP-004"].verdict) == (1, Verdict.UNTESTABLE)


def test_a_fault_of_the_suite_is_an_error_and_exit_code_3(workplace: Workplace) -> None:
    judged = workplace.judge(ERRS)

    assert (judged.code, judged.checks["HTTP-008"].verdict) == (3, Verdict.ERROR)


def test_a_check_that_cannot_be_read_is_exit_code_3(workplace: Workplace) -> None:
    judged = workplace.judge("import nothing_of_that_name")

    assert judged.code == 3
    assert "nothing_of_that_name" in judged.printed


def test_the_check_that_kills_the_target_fails_and_the_next_meets_a_new_one(
    workplace: Workplace,
) -> None:
    judged = workplace.judge(KILLS, AFTERWARDS)

    killer = judged.checks["HTTP-010"]
    assert (judged.code, killer.verdict) == (1, Verdict.FAIL)
    assert "killed by SIGKILL" in killer.sentence
    assert "/die" in killer.evidence[-1]["command"]
    assert judged.checks["HTTP-013"].verdict is Verdict.PASS
    assert workplace.left() == []


def test_after_the_end_of_a_running_server_nothing_is_judged(workplace: Workplace) -> None:
    with workplace.serving() as url:
        judged = workplace.judge(PASSES, SAFELY_KILLS, AFTERWARDS, options=["--target-url", url])

    found = judged.checks
    assert judged.code == 3
    assert found["HTTP-001"].verdict is Verdict.PASS
    assert found["HTTP-010"].verdict is Verdict.FAIL
    assert found["HTTP-013"].verdict is Verdict.ERROR
    assert found["HTTP-013"].sentence == "target gone after HTTP-010"


def test_a_running_server_is_not_asked_what_may_kill_it(workplace: Workplace) -> None:
    with workplace.serving() as url:
        judged = workplace.judge(PASSES, KILLS, options=["--target-url", url])

    assert judged.checks["HTTP-010"].verdict is Verdict.NOT_RUN


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_is_told_to_stop_reports_what_was_judged(
    workplace: Workplace, number: signal.Signals
) -> None:
    workplace.prepare(PASSES, HANGS, AFTERWARDS)
    with workplace.judging() as process:
        deadline = time.monotonic() + SECONDS
        while not (workplace.folder / "asked").exists():
            assert time.monotonic() < deadline
            assert process.poll() is None
        process.send_signal(number)
        process.communicate(timeout=SECONDS)

    [report] = workplace.folder.glob("reports/*/report.json")
    assert '"check": "HTTP-001"' in report.read_text()
    assert process.returncode == pytest.ExitCode.INTERRUPTED
    assert workplace.left() == []


UNHEARD = """
@requirement("HTTP-014")
def test_unheard(target):
    import os, signal, time
    class Told:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGTERM)
    Told()
    time.sleep(1000)
"""


def test_who_is_told_to_stop_where_python_drops_it_stops_all_the_same(workplace: Workplace) -> None:
    judged = workplace.judge(PASSES, UNHEARD)

    assert judged.checks["HTTP-001"].verdict is Verdict.PASS
    assert judged.code == pytest.ExitCode.INTERRUPTED
    assert workplace.left() == []


def test_it_does_so_too_where_nothing_was_started(workplace: Workplace) -> None:
    with workplace.serving() as url:
        judged = workplace.judge(UNHEARD, options=["--target-url", url])

    assert judged.code == pytest.ExitCode.INTERRUPTED


def test_a_target_that_does_not_start_is_one_message(workplace: Workplace) -> None:
    judged = workplace.judge(PASSES, FAILS, flag="broken")

    assert judged.code == 3
    assert judged.printed.count("stand-in cannot be judged: the target exited with code 1") == 1
    assert "no licence found" in judged.printed
    assert "Traceback" not in judged.printed
    assert workplace.left() == []


def test_an_address_where_nothing_listens_is_one_message(workplace: Workplace) -> None:
    with workplace.serving() as url:
        pass
    judged = workplace.judge(PASSES, FAILS, options=["--target-url", url])

    assert judged.code == 3
    assert judged.printed.count(f"nothing listens at {url}") == 1


def test_without_a_target_a_check_says_what_to_give(workplace: Workplace) -> None:
    judged = workplace.judge(PASSES, options=["-q"])

    assert "no target: give --target FILE" in judged.printed


def test_several_processes_do_not_share_a_target(workplace: Workplace) -> None:
    options = ["--target", "target.toml", "-p", "xdist.plugin", "-n", "2"]
    judged = workplace.judge(PASSES, options=options)

    assert judged.code == pytest.ExitCode.USAGE_ERROR
    assert judged.printed.strip() == (
        "ERROR: -n: expected none beside a target: one process judges, one check after the other"
    )


def test_the_report_names_a_command_that_can_be_pasted(workplace: Workplace) -> None:
    judged = workplace.judge(PASSES, options=["--target", "target.toml", "--profile", "http"])

    asked = "servespec certify --target target.toml --profile http"
    assert judged.report.suite.command == asked


def test_an_extension_that_the_server_lists_is_judged_unasked(workplace: Workplace) -> None:
    assert workplace.judge(PASSES).report.claimed == ("oip-rest", "http", "scheduling")


def test_what_is_asked_does_not_depend_on_what_else_is_imported(workplace: Workplace) -> None:
    words = [f"word {number}" for number in range(100)]
    (workplace.folder / "words.py").write_text(f"WORDS = {words}\n")

    alone = workplace.judge(RANDOMISED).checks["HTTP-015"].variants
    beside = workplace.judge("import words", RANDOMISED).checks["HTTP-015"].variants

    assert alone == beside
    assert len(alone["asked"]) > 25


def test_no_requirement_passes_on_half_of_its_checks(workplace: Workplace) -> None:
    other = PASSES.replace('"HTTP-001"', '"HTTP-001", name="other"').replace("passes", "other")
    cut_short = workplace.judge(PASSES, FAILS, other, options=("--target", "target.toml", "-x"))

    assert cut_short.checks["HTTP-001/other"].verdict is Verdict.NOT_RUN
