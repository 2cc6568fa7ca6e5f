"""The catalogue as a page for readers.

`python -m servespec.verdicts.markdown >docs/reference/requirements.md` writes it again.
"""

import sys
from collections import Counter

from .catalogue import CATALOGUE, GROUPS, Level, Requirement, Source

__all__ = ["to_markdown"]

HEAD = """\
# Requirements

Generated from the catalogue by `python -m servespec.verdicts.markdown`. Level, basis, ruling and
waiver are explained in [the catalogue is data](../decisions/0001-catalogue-as-data.md), the AMB
numbers in [the rulings](../decisions/0003-rulings.md).
"""


def to_markdown() -> str:
    """Every requirement: a table for each group, in reading order."""
    return "\n".join([HEAD, *_counts(), *(line for group in GROUPS for line in _section(group))])


def _counts() -> list[str]:
    head = ["| group | " + " | ".join([*Level, "all"]) + " |", "|---" * (len(Level) + 2) + "|"]
    return [*head, *(_count(group, _rows(group)) for group in GROUPS), ""]


def _count(group: str, rows: list[Requirement]) -> str:
    levels = Counter(row.level for row in rows)
    numbers = [str(number) for number in (*(levels[level] for level in Level), len(rows))]
    return f"| [{group}](#{group.lower()}) | {' | '.join(numbers)} |"


def _section(group: str) -> list[str]:
    head = ["| id | level, basis | profile | requirement | source |", "|---|---|---|---|---|"]
    return [f"## {group}", "", f"{GROUPS[group]}.", "", *head, *map(_line, _rows(group)), ""]


def _rows(group: str) -> list[Requirement]:
    return [row for row in CATALOGUE.values() if row.group == group]


def _line(row: Requirement) -> str:
    notes = [f"[{ref}](../decisions/0003-rulings.md#{ref.lower()})" for ref in row.ambiguities]
    notes += [f"*Waived: {row.waiver}*"] if row.waiver else []
    cells = [
        f"`{row.id}`<br>{row.slug}",
        f"{row.level}, {row.basis}",
        f"{row.profile}, {row.feature}" if row.feature else row.profile,
        " ".join([row.text.replace("<", "&lt;"), *notes]),
        _source(row.source),
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _source(source: Source) -> str:
    link = f"[{source.title}]({source.link})"
    return f"{link}, {source.section}" if source.section else link


if __name__ == "__main__":
    sys.stdout.write(to_markdown())
