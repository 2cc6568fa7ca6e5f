"""The report in a terminal: a table by profile, what needs attention, the checklist."""

from collections.abc import Sequence

from .catalogue import CATALOGUE, Level
from .report import Report
from .verdict import Verdict

__all__ = ["checklist_table", "headline", "verdict_table"]

BAD = {Verdict.FAIL, Verdict.UNTESTABLE, Verdict.INCONCLUSIVE, Verdict.INVALID, Verdict.ERROR}


def headline(report: Report) -> str:
    """The whole verdict in one sentence."""
    certified = [profile.name for profile in report.profiles if profile.certified]
    missed = [profile.name for profile in report.profiles if not profile.certified]
    parts = []
    if certified:
        parts.append(f"certified for {', '.join(certified)}")
    if missed:
        parts.append(f"not certified for {', '.join(missed)}")
    return f"{report.target.name} is {'; '.join(parts) or 'not judged'}."


def verdict_table(report: Report) -> str:
    """One line a profile, then each requirement that needs attention."""
    head = ["profile", "", "MUST protocol", "MUST judged", "SHOULD", "not run"]
    rows = [
        [
            profile.name,
            "certified" if profile.certified else "NOT CERTIFIED",
            f"{profile.stated.passed}/{profile.stated.total}",
            f"{profile.judged.passed}/{profile.judged.total}",
            f"{profile.should.passed}/{profile.should.total}",
            str(profile.not_run),
        ]
        for profile in report.profiles
    ]
    return "\n".join([_table([head, *rows]), *_attention(report), "", headline(report)])


def _attention(report: Report) -> list[str]:
    lines = [""]
    for result in report.results.values():
        requirement = CATALOGUE[result.requirement]
        if result.verdict in BAD and requirement.profile in report.claimed:
            warns = result.verdict is Verdict.FAIL and requirement.level is not Level.MUST
            label = "WARN" if warns else str(result.verdict)
            lines.append(f"{label:12} {requirement.id:20} {result.sentence}")
    return lines if len(lines) > 1 else []


def checklist_table(report: Report) -> str:
    """The guide's items with the answer in a sentence."""
    return _table([[item.item, str(item.verdict), item.sentence] for item in report.checklist])


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
