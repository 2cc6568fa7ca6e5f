"""The merged report as people and CI systems read it: HTML, Markdown, a picture and JUnit."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ElementTree, SubElement

from jinja2 import Environment, PackageLoader, StrictUndefined

from .catalogue import CATALOGUE, Level, Requirement
from .report import Report
from .result import RequirementResult
from .summary import headline
from .verdict import Verdict

__all__ = ["render"]

FAILED = {Verdict.FAIL, Verdict.UNTESTABLE, Verdict.INCONCLUSIVE, Verdict.INVALID}
UNSAYABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
SKIPPED = {Verdict.NOT_APPLICABLE, Verdict.NOT_RUN}
SHOWN = 6
"""Exchanges of a check on the page: the last ones, which decided. `report.json` has all."""


def render(report: Report, directory: Path) -> None:
    """Writes `report.html`, `report.md`, `report.svg` and `junit.xml` into `directory`."""
    for name in ("report.html", "report.md", "report.svg"):
        text = _environment(name).get_template(f"{name}.jinja").render(_context(report))
        (directory / name).write_text(text, encoding="utf-8", errors="backslashreplace")
    ElementTree(_junit(report)).write(
        directory / "junit.xml", encoding="utf-8", xml_declaration=True
    )


def _environment(name: str) -> Environment:
    environment = Environment(
        loader=PackageLoader("servespec.verdicts"),
        autoescape=not name.endswith("md"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = _cell
    environment.filters["measured"] = _measured
    return environment


def _cell(text: str) -> str:
    """What stands in a cell of a Markdown table: one line, no markup of the target's."""
    return escape(" ".join(text.split()), quote=False).replace("|", "\\|")


def _measured(statistic: Mapping[str, Any]) -> str:
    """A number with its unit, where the true one lies, and what is behind it."""
    value, low, high = (
        "unbounded" if statistic[end] is None else f"{statistic[end]:.4g}"
        for end in ("value", "low", "high")
    )
    unit = f" {statistic['unit']}" if statistic["unit"] else ""
    share, count = statistic["confidence"], statistic["count"]
    return f"{value}{unit} ({low} to {high}, {share:.0%} sure, n = {count:,})"


def _context(report: Report) -> Mapping[str, object]:
    judged = [_row(result) for result in report.results.values() if result.checks]
    return {
        "report": report,
        "headline": headline(report),
        "catalogue": CATALOGUE,
        "sections": [
            (profile, [row for row in judged if row.requirement.profile == profile.name])
            for profile in report.profiles
        ],
        "shown": SHOWN,
        "attention": [row for row in judged if row.needs_attention],
    }


@dataclass(frozen=True, slots=True)
class Row:
    """A judged requirement on the page."""

    requirement: Requirement
    result: RequirementResult

    @property
    def label(self) -> str:
        """The verdict's word; a SHOULD that fails is a warning."""
        failed = self.result.verdict is Verdict.FAIL
        return (
            "WARN" if failed and self.requirement.level is not Level.MUST else self.result.verdict
        )

    @property
    def needs_attention(self) -> bool:
        """Whether a reader has to do something about it."""
        return self.result.verdict in FAILED | {Verdict.ERROR}


def _row(result: RequirementResult) -> Row:
    return Row(CATALOGUE[result.requirement], result)


def _junit(report: Report) -> Element:
    suite = Element("testsuite", name=f"servespec {report.target.name}")
    judged = [result for result in report.results.values() if result.checks]
    for result in judged:
        suite.append(_junit_case(result))
    suite.set("tests", str(len(judged)))
    for kind in ("failure", "error", "skipped"):
        plural = kind if kind == "skipped" else f"{kind}s"
        suite.set(plural, str(len(suite.findall(f"testcase/{kind}"))))
    return suite


def _junit_case(result: RequirementResult) -> Element:
    requirement = CATALOGUE[result.requirement]
    case = Element(
        "testcase",
        classname=requirement.profile,
        name=f"{requirement.id} {requirement.slug}",
        time=f"{result.seconds:.3f}",
    )
    properties = SubElement(case, "properties")
    for name in ("level", "basis"):
        SubElement(properties, "property", name=name, value=str(getattr(requirement, name)))
    kind = _junit_kind(result.verdict, requirement.level)
    if kind:
        SubElement(case, kind, message=f"{result.verdict}: {_printable(result.sentence)}")
    return case


def _junit_kind(verdict: Verdict, level: Level) -> str | None:
    """The element that says how a case ended; a SHOULD that fails stays green."""
    if verdict is Verdict.ERROR:
        return "error"
    if verdict in SKIPPED:
        return "skipped"
    if verdict is Verdict.FAIL and level is not Level.MUST:
        return None
    return "failure" if verdict in FAILED else None


def _printable(text: str) -> str:
    """The text with a sign in place of each character that XML 1.0 cannot say."""
    return UNSAYABLE.sub("\N{REPLACEMENT CHARACTER}", text)
