"""No item of the checklist passes by default."""

import pytest

from servespec.verdicts.catalogue import CATALOGUE
from servespec.verdicts.checklist import ITEMS, ChecklistItem, judge_checklist
from servespec.verdicts.profile import PROFILES
from servespec.verdicts.result import RequirementResult
from servespec.verdicts.verdict import Verdict

from .results import results

GUIDE = [
    *("optimized-runtime", "quantized", "distilled", "dynamic-batching", "close-to-clients"),
    *("grpc-cheaper", "prewarmed", "keep-alive", "cached", "coalesced", "async-processing"),
    *("features-precomputed", "latency-breakdown", "percentiles-apart", "budgets"),
    *("regression-alert", "probes-truthful", "real-time", "tail-within", "memory-limited"),
    *("drains", "canary-gated", "shadowed", "ab-balanced", "scales", "scale-to-zero"),
]
SHADOWED = ITEMS["shadowed"].requirements


def answer(item: str, seen: dict[str, RequirementResult]) -> ChecklistItem:
    return next(found for found in judge_checklist(seen) if found.item == item)


def test_every_item_of_the_guide_is_answered_in_order() -> None:
    assert [found.item for found in judge_checklist({})] == GUIDE


def test_items_name_requirements_and_profiles_that_exist() -> None:
    assert {id for item in ITEMS.values() for id in item.requirements} <= set(CATALOGUE)
    assert {item.profile for item in ITEMS.values()} <= set(PROFILES)


def test_no_item_rests_on_a_waived_requirement() -> None:
    assert not any(CATALOGUE[id].waiver for item in ITEMS.values() for id in item.requirements)


def test_an_item_has_requirements_or_says_what_is_not_judged() -> None:
    assert [name for name, item in ITEMS.items() if not (item.requirements or item.unjudged)] == []


def test_without_results_every_item_is_not_run_and_says_what_is_missing() -> None:
    answers = judge_checklist({})

    assert {found.verdict for found in answers} == {Verdict.NOT_RUN}
    assert all(found.sentence.startswith("not judged: ") for found in answers)


def test_an_item_passes_when_all_its_requirements_pass() -> None:
    found = answer("shadowed", results(SHADOWED))

    assert found.verdict is Verdict.PASS
    assert found.sentence == ITEMS["shadowed"].sentence


def test_an_item_with_a_part_that_nothing_judges_never_passes() -> None:
    partly = [name for name, item in ITEMS.items() if item.unjudged]
    found = [answer(name, results(CATALOGUE)) for name in partly]

    assert {item.verdict for item in found} == {Verdict.NOT_RUN}


@pytest.mark.parametrize("other", Verdict, ids=str)
def test_an_item_fails_when_one_requirement_fails_and_says_which(other: Verdict) -> None:
    found = answer("shadowed", results([], ROLL_004=other, ROLL_005=Verdict.FAIL))

    assert found.verdict is Verdict.FAIL
    assert found.sentence.endswith(": seen FAIL")


@pytest.mark.parametrize("verdict", sorted(set(Verdict) - {Verdict.PASS}), ids=str)
def test_an_item_does_not_pass_when_one_requirement_does_not(verdict: Verdict) -> None:
    found = answer("shadowed", results([], ROLL_004=Verdict.PASS, ROLL_005=verdict))

    assert found.verdict is verdict
    assert "ROLL-005" in found.sentence
