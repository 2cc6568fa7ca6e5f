"""The checks fit the catalogue: no demand is forgotten, none is made up."""

import inspect
from collections import Counter
from pathlib import Path

import pytest

from servespec.target.defects import DefectSwitch
from servespec.verdicts.catalogue import CATALOGUE, Level
from servespec.verdicts.profile import CONFORMANCE, PROFILES

from .checks import Written, written_checks
from .defective import defective

WRITTEN = written_checks()
JUDGED = {written.check.requirement for written in WRITTEN}
KEYS = {written.check.key for written in WRITTEN}
FILES = sorted({written.file for written in WRITTEN})
SETTLED = (
    *("oip-rest", "oip-grpc", "http", "grpc-health", "binary", "batching"),
    *("metrics", "checklist", "overload", "scheduling", "repository"),
)
"""The profiles whose every demand is judged in this release."""
ELSEWHERE = {id for one in PROFILES.values() if one.suite != CONFORMANCE for id in one.ids}
"""What another suite judges, whose own tests try its defects."""
BREAK_NOTHING = {"engine-dies", "engine-hangs", "shadow-dies", "shadow-sleeps"}
"""Harm for experiments, which no check is held to."""


def test_a_check_has_a_key_of_its_own() -> None:
    counts = Counter(written.check.key for written in WRITTEN)

    assert [key for key, count in counts.items() if count > 1] == []


def test_what_is_judged_is_in_the_frozen_set_of_its_profile() -> None:
    frozen = {id for profile in PROFILES.values() for id in profile.ids}

    assert frozen >= JUDGED


@pytest.mark.parametrize("profile", SETTLED)
def test_every_demand_of_a_settled_profile_is_judged(profile: str) -> None:
    demands = {
        id for id in PROFILES[profile].ids if CATALOGUE[id].level in (Level.MUST, Level.SHOULD)
    }

    assert demands - JUDGED == set()


@pytest.mark.parametrize("profile", SETTLED)
def test_what_a_settled_profile_leaves_out_has_a_waiver(profile: str) -> None:
    rows = [row for row in CATALOGUE.values() if row.profile == profile]
    left_out = [row for row in rows if row.id not in PROFILES[profile].ids]

    assert [row.id for row in left_out if not row.waiver] == []


def test_a_release_judges_at_least_150_requirements() -> None:
    assert len(JUDGED) >= 150


@pytest.mark.parametrize("written", WRITTEN, ids=lambda written: str(written.check.key))
def test_a_check_says_in_one_line_whom_it_serves(written: Written) -> None:
    text = inspect.getdoc(written.function) or ""

    assert text
    assert "\n" not in text


@pytest.mark.parametrize("file", FILES, ids=lambda file: "/".join(file.parts[-2:]))
def test_a_file_of_checks_can_be_read_at_one_sitting(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 400


def test_a_defect_breaks_checks_that_there_are() -> None:
    with defective() as server:
        breaks = DefectSwitch(server.switch).breaks

    unknown = {name: set(ids) - KEYS - JUDGED - ELSEWHERE for name, ids in breaks.items()}
    assert {name: ids for name, ids in unknown.items() if ids} == {}
    assert {name for name, ids in breaks.items() if not ids} == BREAK_NOTHING
