"""Where reports lie: a part for each suite, and `report.json`, their merge, which is rendered."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from .baseline import Baseline
from .render import render
from .report import SCHEMA_VERSION, Report, SuiteInfo, TargetInfo
from .result import CheckResult

__all__ = ["merge", "read", "write"]

MERGED = "report.json"


def write(report: Report, directory: Path) -> None:
    """Writes this suite's part, then the merge of all parts and its renderings."""
    directory.mkdir(parents=True, exist_ok=True)
    _dump(report, directory / f"{report.suite.name}.json")
    merged = merge(report, _parts(directory))
    _dump(merged, directory / MERGED)
    render(merged, directory)


def read(path: Path) -> Report:
    """Reads a report or a suite's part; raises ValueError with one line where it is none."""
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
        if row["schema"] != SCHEMA_VERSION:
            raise ValueError(f"schema {row['schema']}, expected {SCHEMA_VERSION}")
        checks = [check for entry in row["requirements"] for check in entry["checks"]]
        return Report(
            SuiteInfo(**row["suite"]),
            TargetInfo(**row["target"]),
            tuple(row["claimed"]),
            tuple(CheckResult.from_json(check) for check in checks),
            row["environment"],
            Baseline.from_json(row["baseline"]),
            tuple(row["stale"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected a report of servespec: {error}") from error


def merge(newest: Report, parts: Iterable[Report]) -> Report:
    """All parts that judge the same target by the same suite; the others are named as stale."""
    others = [part for part in parts if part.suite.name != newest.suite.name]
    fresh = [part for part in others if _stamp(part) == _stamp(newest)]
    return replace(
        newest,
        suite=replace(newest.suite, name="+".join([newest.suite.name, *_names(fresh)])),
        claimed=tuple(dict.fromkeys([*newest.claimed, *(c for p in fresh for c in p.claimed)])),
        checks=newest.checks + tuple(check for part in fresh for check in part.checks),
        stale=tuple(name for name in _names(others) if name not in _names(fresh)),
    )


def _stamp(report: Report) -> tuple[str, str, str]:
    return report.suite.version, report.target.version, report.target.file_sha256


def _names(parts: Iterable[Report]) -> list[str]:
    return [part.suite.name for part in parts]


def _parts(directory: Path) -> list[Report]:
    return [read(path) for path in sorted(directory.glob("*.json")) if path.name != MERGED]


def _dump(report: Report, path: Path) -> None:
    text = json.dumps(report.as_json(), indent=1, ensure_ascii=False, allow_nan=False)
    # Half a character becomes an escape, which JSON reads as the same half again.
    path.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
