"""What a certificate and an exit code need."""

import pytest

from servespec.target.manifest import CLAIMABLE
from servespec.verdicts.baseline import Baseline, Known
from servespec.verdicts.catalogue import CATALOGUE, Basis, Level
from servespec.verdicts.profile import PROFILES, REVISION, Tally, exit_code
from servespec.verdicts.verdict import Verdict

from .results import results

HTTP = PROFILES["http"]
MUST, SHOULD = "HTTP-014", "HTTP-005"

CORE = {"oip-rest": "rest", "oip-grpc": "grpc", "http": "rest"}
LATER = {
    *("OIP-REST-HLTH-002", "OIP-REST-HLTH-003", "OIP-REST-HLTH-010", "OIP-REST-HLTH-011"),
    *("OIP-REST-HLTH-012", "OIP-REST-HLTH-013", "OIP-GRPC-SVC-003", "OIP-GRPC-SVC-004"),
    *("HLTH-GRPC-005", "HLTH-GRPC-006", "HLTH-GRPC-007"),
    *("HTTP-011", "HTTP-012", "HTTP-017", "HTTP-018"),
}
"""What needs restarts, signals or saturation."""


def test_the_frozen_sets_are_the_catalogue_without_what_is_waived() -> None:
    asked = {
        name: tuple(r.id for r in CATALOGUE.values() if r.profile == name and not r.waiver)
        for name in dict.fromkeys(r.profile for r in CATALOGUE.values())
    }

    assert {name: profile.ids for name, profile in PROFILES.items()} == asked


def test_the_revision_is_that_of_the_release() -> None:
    assert REVISION == "2026.12"


def test_every_profile_can_be_claimed_in_a_target_file() -> None:
    assert set(PROFILES) <= set(CLAIMABLE)


def test_the_core_profiles_name_their_plane() -> None:
    assert {name: p.plane for name, p in PROFILES.items() if p.core} == CORE
    assert not any(profile.plane for profile in PROFILES.values() if not profile.core)


def test_a_bare_url_is_not_asked_for_restarts_signals_or_saturation() -> None:
    assert {CATALOGUE[id].profile for id in LATER} <= {"probes", "shutdown", "overload"}


def test_a_profile_of_which_every_must_holds_is_certified() -> None:
    judged = HTTP.judge(results(HTTP.ids, HTTP_014=Verdict.NOT_APPLICABLE))

    assert judged.certified
    assert judged.stated.passed == judged.stated.total


def test_a_should_that_fails_leaves_the_certificate() -> None:
    judged = HTTP.judge(results(HTTP.ids, HTTP_005=Verdict.FAIL))

    assert judged.certified
    assert judged.should.passed == judged.should.total - 1


@pytest.mark.parametrize(
    "verdict", sorted(set(Verdict) - {Verdict.PASS, Verdict.NOT_APPLICABLE}), ids=str
)
def test_any_other_verdict_of_a_must_costs_the_certificate(verdict: Verdict) -> None:
    assert not HTTP.judge(results(HTTP.ids, HTTP_014=verdict)).certified


def test_a_missing_result_is_not_run_and_costs_the_certificate() -> None:
    judged = HTTP.judge(results(id for id in HTTP.ids if id != MUST))

    assert not judged.certified
    assert judged.not_run == 1


def test_the_source_and_our_judgement_are_never_mixed() -> None:
    judged = HTTP.judge(results(HTTP.ids))
    musts = [CATALOGUE[id] for id in HTTP.ids if CATALOGUE[id].level is Level.MUST]

    assert judged.stated.total + judged.judged.total == len(musts)
    assert judged.judged.total == [row.basis for row in musts].count(Basis.JUDGED)


def test_what_does_not_apply_counts_neither_way() -> None:
    assert Tally.of([Verdict.PASS, Verdict.NOT_APPLICABLE, Verdict.FAIL]) == Tally(1, 2)


def test_the_json_of_a_profile_counts_every_verdict() -> None:
    row = HTTP.judge(results(HTTP.ids, HTTP_005=Verdict.FAIL)).as_json()

    assert row["counts"] == {"PASS": len(HTTP.ids) - 1, "FAIL": 1}
    assert (row["name"], row["certified"]) == ("http", True)


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        (Verdict.PASS, 0),
        (Verdict.NOT_APPLICABLE, 0),
        (Verdict.NOT_RUN, 0),
        (Verdict.INCONCLUSIVE, 1),
        (Verdict.INVALID, 1),
        (Verdict.UNTESTABLE, 1),
        (Verdict.FAIL, 1),
        (Verdict.ERROR, 3),
    ],
    ids=str,
)
def test_the_exit_code_follows_the_musts(verdict: Verdict, code: int) -> None:
    assert exit_code(["http"], results(HTTP.ids, HTTP_014=verdict), Baseline()) == code


def test_a_should_that_fails_leaves_the_exit_code() -> None:
    assert exit_code(["http"], results(HTTP.ids, HTTP_005=Verdict.FAIL), Baseline()) == 0


def test_an_error_at_any_level_is_the_suites_failure() -> None:
    assert exit_code(["http"], results(HTTP.ids, HTTP_005=Verdict.ERROR), Baseline()) == 3


def test_an_error_outweighs_a_failure() -> None:
    seen = results(HTTP.ids, HTTP_014=Verdict.FAIL, HTTP_004=Verdict.ERROR)

    assert exit_code(["http"], seen, Baseline()) == 3


def test_what_is_not_claimed_changes_nothing() -> None:
    assert exit_code(["binary"], results(HTTP.ids, HTTP_014=Verdict.FAIL), Baseline()) == 0


def test_a_known_failure_changes_the_exit_code_and_never_the_certificate() -> None:
    seen = results(HTTP.ids, HTTP_014=Verdict.FAIL)
    baseline = Baseline((Known(MUST, "no clock", "https://example.org/1"),))

    assert exit_code(["http"], seen, baseline) == 0
    assert not HTTP.judge(seen).certified


def test_a_stale_entry_of_the_baseline_fails_the_run() -> None:
    baseline = Baseline((Known(MUST, "no clock", "https://example.org/1"),))

    assert exit_code(["http"], results(HTTP.ids), baseline) == 1
