"""A profile is judged by one suite: each leaves a part of its own, and the report is of all."""

import json
from pathlib import Path

import jsonschema
import pytest

from servespec.cli import _parser, _suites
from servespec.verdicts.catalogue import FOLDER
from servespec.verdicts.store import read
from servespec.verdicts.verdict import Verdict

from .judging import TARGET, Workplace

SCHEMA = json.loads(FOLDER.with_name("report-1.schema.json").read_text(encoding="utf-8"))
PROTOCOL = """
@requirement("HTTP-001")
def test_it_answers(target):
    target.rest.get("/v2").must_succeed()
"""
LOAD = """
from servespec.target.evidence import Statistic

@requirement("LOAD-009")
def test_it_is_measured(target):
    target.measured(Statistic("p99/p50", "", 4.5, 3.0, None, 1000, 0.99))
"""
BOTH = ("--target", "target.toml", "--profile", "http,load")


def test_each_suite_leaves_its_part_and_claims_its_profiles(tmp_path: Path) -> None:
    judged = Workplace(tmp_path).judge(PROTOCOL, LOAD, options=BOTH)
    folder = judged.folder / "stand-in"
    parts = {path.stem: read(path) for path in folder.glob("*.json")}

    assert set(parts) == {"conformance", "loadtests", "report"}
    assert parts["conformance"].claimed == ("http",)
    assert parts["loadtests"].claimed == ("load",)
    assert parts["loadtests"].suite.command.endswith("--profile http,load --only loadtests")
    assert set(parts["report"].claimed) == {"http", "load"}
    assert len(parts["report"].checks) == 2


def test_the_checklist_of_the_report_answers_for_all_suites(tmp_path: Path) -> None:
    workplace = Workplace(tmp_path)
    workplace.judge(LOAD, options=("--target", "target.toml", "--profile", "load"))
    judged = workplace.judge(PROTOCOL)
    items = {found.item: found.verdict for found in judged.report.checklist}

    assert items["tail-within"] is Verdict.PASS


def test_what_a_check_measured_is_in_the_report(tmp_path: Path) -> None:
    judged = Workplace(tmp_path).judge(LOAD, options=(*BOTH[:3], "load"))
    report = json.loads((judged.folder / "stand-in/report.json").read_text(encoding="utf-8"))

    jsonschema.validate(report, SCHEMA)
    assert report["statistics"] == [
        {
            "check": "LOAD-009", "name": "p99/p50", "unit": "", "value": 4.5, "low": 3.0,
            "high": None, "count": 1000, "confidence": 0.99,
        }
    ]  # fmt: skip
    assert judged.report.checks[0].statistics[0]["value"] == 4.5
    page = (judged.folder / "stand-in/report.html").read_text(encoding="utf-8")
    assert "measured: p99/p50 = 4.5 (3 to unbounded, 99% sure, n = 1,000)" in page


@pytest.mark.parametrize(
    ("claims", "words", "suites"),
    [
        ("", "", ["conformance"]),
        ("[claims.load]\n", "", ["conformance", "loadtests"]),
        ("[claims.load]\n", "--profile load", ["loadtests"]),
        ("[claims.load]\n", "--profile http,oip-rest", ["conformance"]),
    ],
)
def test_a_file_is_certified_by_the_suites_of_what_it_claims(
    claims: str, words: str, suites: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "target.toml"
    file.write_text(TARGET.format(flag="") + claims)
    given = _parser().parse_args(["certify", "--target", str(file), *words.split()])

    assert _suites(given) == suites
