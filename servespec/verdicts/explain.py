"""One requirement for a reader: the sentence, who says so, and the check that judges it."""

import ast
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from .catalogue import find
from .profile import PROFILES

__all__ = ["explain"]


def explain(name: str) -> str:
    """What the requirement of this id or slug asks, with the source text of its checks.

    Raises:
        UnknownRequirement: no requirement has this id or slug; the text names the nearest.
    """
    row = find(name)
    source = " ".join(part for part in (row.source.title, row.source.section) if part)
    head = [
        f"{row.id}  {row.slug}",
        f"{row.level}, {row.basis}, profile {row.profile}",
        "",
        row.text,
        "",
        f"source: {source}",
        f"        {row.source.link}",
    ]
    if row.waiver:
        head += ["", f"waived: {row.waiver}"]
    checks = [f"\n# {path}\n{text}" for path, text in checks_of(row.id)]
    return "\n".join(head + (checks or ["\nno check judges it in this release"]))


def checks_of(requirement: str) -> Iterator[tuple[str, str]]:
    """The place and the source text of each check that names the requirement."""
    suites = Path(str(files("servespec.suites")))
    names = dict.fromkeys(profile.suite for profile in PROFILES.values())
    for path in (file for name in names for file in sorted((suites / name).rglob("test_*.py"))):
        text = path.read_text(encoding="utf-8")
        if requirement not in text:
            continue
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef) and _judges(node, requirement):
                first = node.decorator_list[0].lineno - 1
                lines = text.splitlines()[first : node.end_lineno]
                yield f"{path.relative_to(suites)}:{first + 1}", "\n".join(lines)


def _judges(node: ast.FunctionDef, requirement: str) -> bool:
    return any(
        isinstance(mark, ast.Call)
        and isinstance(mark.func, ast.Name)
        and mark.func.id == "requirement"
        and isinstance(mark.args[0], ast.Constant)
        and mark.args[0].value == requirement
        for mark in node.decorator_list
    )
