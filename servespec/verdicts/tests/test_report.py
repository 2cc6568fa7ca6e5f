"""A report says what was found, the same in every form, and can be read again."""

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

from servespec.verdicts.baseline import Baseline, Known
from servespec.verdicts.catalogue import FOLDER
from servespec.verdicts.profile import PROFILES
from servespec.verdicts.report import Report, SuiteInfo, TargetInfo
from servespec.verdicts.result import CheckResult
from servespec.verdicts.store import merge, read, write
from servespec.verdicts.verdict import Verdict

SCHEMA = json.loads(FOLDER.with_name("report-1.schema.json").read_text(encoding="utf-8"))
HOSTILE = "<script>alert('x')</script> | \x00\x1b[31m\x7f \udc80\ufffe & \"quoted\"\nline"


def report(*checks: CheckResult, suite: str = "conformance", version: str = "1") -> Report:
    """A report of the HTTP profile with these results."""
    return Report(
        SuiteInfo(suite, "2026.12.0", "derandomized", 1.5, 2.5, "servespec certify"),
        TargetInfo("stand-in", version, {"rest": "http://h:1"}, {"http": {}}, {}, "0" * 64),
        ("http",),
        checks,
        {"python": "3.11"},
        Baseline((Known("HTTP-002", "no clock", "https://example.org/1"),)),
    )


def result(
    verdict: Verdict = Verdict.PASS, sentence: str = "", check: str = "HTTP-001"
) -> CheckResult:
    """A result with evidence."""
    seen = {"summary": "s", "request": "> r", "answer": sentence, "command": "curl x"}
    return CheckResult(check, check, verdict, sentence, 0.25, {"k": "v"}, (seen,))


@pytest.mark.parametrize("verdict", Verdict, ids=str)
def test_the_json_is_as_its_schema_says(verdict: Verdict) -> None:
    jsonschema.validate(json.loads(json.dumps(report(result(verdict)).as_json())), SCHEMA)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    written = report(result(Verdict.FAIL, HOSTILE), result(check="HTTP-004"))

    write(written, tmp_path)

    assert read(tmp_path / "conformance.json").as_json() == written.as_json()
    jsonschema.validate(json.loads((tmp_path / "report.json").read_text("utf-8")), SCHEMA)


def test_parts_of_the_same_target_count_together() -> None:
    merged = merge(report(result()), [report(result(check="HTTP-004"), suite="load")])

    assert [check.check for check in merged.checks] == ["HTTP-001", "HTTP-004"]
    assert merged.suite.name == "conformance+load"
    assert merged.stale == ()


@pytest.mark.parametrize("other", ["target", "suite", "file"])
def test_a_part_of_another_state_is_stale_and_not_counted(other: str) -> None:
    part = report(result(check="HTTP-004"), suite="load")
    newer = {
        "target": replace(part, target=replace(part.target, version="2")),
        "suite": replace(part, suite=replace(part.suite, version="2027.1")),
        "file": replace(part, target=replace(part.target, file_sha256="1" * 64)),
    }

    merged = merge(report(result()), [newer[other]])

    assert [check.check for check in merged.checks] == ["HTTP-001"]
    assert merged.stale == ("load",)


def test_an_older_part_of_the_same_suite_is_replaced(tmp_path: Path) -> None:
    write(report(result(Verdict.FAIL)), tmp_path)
    write(report(result()), tmp_path)

    assert [check.verdict for check in read(tmp_path / "report.json").checks] == [Verdict.PASS]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 2}', '{"schema": 1}'])
def test_what_is_no_report_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(text)

    with pytest.raises(ValueError, match="expected a report of servespec") as error:
        read(path)

    assert "\n" not in str(error.value)


def test_junit_is_well_formed_whatever_the_target_says(tmp_path: Path) -> None:
    results = result(Verdict.FAIL, HOSTILE), result(Verdict.ERROR, HOSTILE, "HTTP-004")
    write(report(*results), tmp_path)

    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "2", "failures": "1", "errors": "1", "skipped": "0"}


def test_junit_leaves_a_failing_should_green(tmp_path: Path) -> None:
    write(report(result(Verdict.FAIL, "slow", "HTTP-005")), tmp_path)

    assert ElementTree.parse(tmp_path / "junit.xml").find("testcase/failure") is None


def test_the_page_escapes_what_the_target_says(tmp_path: Path) -> None:
    write(report(result(Verdict.FAIL, HOSTILE)), tmp_path)

    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_the_page_shows_the_exchanges_that_decided(tmp_path: Path) -> None:
    (seen,) = result().evidence
    exchanges = tuple({**seen, "summary": f"exchange {number}."} for number in range(20))

    write(report(replace(result(Verdict.FAIL), evidence=exchanges)), tmp_path)

    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert [f"exchange {number}." in page for number in range(20)] == [False] * 14 + [True] * 6
    assert "14 earlier exchanges are in report.json." in page


def test_the_picture_is_well_formed_whatever_the_target_is_called(tmp_path: Path) -> None:
    named = replace(report(result()), target=replace(report().target, name="<b>&\"'"))

    write(named, tmp_path)

    picture = ElementTree.parse(tmp_path / "report.svg")
    assert "<b>&\"' 1" in [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]


def test_a_sentence_stays_in_its_row_of_the_markdown(tmp_path: Path) -> None:
    write(report(result(Verdict.FAIL, HOSTILE)), tmp_path)

    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    [row] = [line for line in text.splitlines() if line.startswith("| FAIL | HTTP-001")]
    assert row.endswith("|")
    assert "<script" not in row


def test_a_profile_is_certified_by_every_must_of_its_frozen_set() -> None:
    passed = [result(check=id) for id in PROFILES["http"].ids]

    assert report(*passed).profiles[0].certified
    assert not report(*passed[:3], *passed[4:]).profiles[0].certified
