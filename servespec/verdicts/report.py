"""One schema for every suite's result; `report.json` is their merge and the only thing rendered."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from .baseline import Baseline
from .catalogue import CATALOGUE, Requirement, catalogue_sha256
from .checklist import ChecklistItem, judge_checklist
from .profile import PROFILES, ProfileResult, exit_code
from .result import CheckResult, RequirementResult, by_requirement
from .verdict import Verdict

__all__ = ["SCHEMA_VERSION", "Report", "SuiteInfo", "TargetInfo", "merge", "read"]

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class SuiteInfo:
    """Who judged, with what: `started` is seconds since the epoch, `seconds` the wall time."""

    name: str
    version: str
    seed: str
    started: float
    seconds: float
    command: str
    catalogue: str = field(default_factory=catalogue_sha256)


@dataclass(frozen=True, slots=True)
class TargetInfo:
    """Who was judged, and what it claims and shows of itself."""

    name: str
    version: str
    urls: Mapping[str, str]
    claims: Mapping[str, Mapping[str, Any]]
    detected: Mapping[str, Any]
    file_sha256: str


@dataclass(frozen=True)
class Report:
    """What was found, and everything that follows from it."""

    suite: SuiteInfo
    target: TargetInfo
    claimed: tuple[str, ...]
    checks: tuple[CheckResult, ...]
    environment: Mapping[str, str]
    baseline: Baseline = field(default_factory=Baseline)
    stale: tuple[str, ...] = ()

    @cached_property
    def results(self) -> Mapping[str, RequirementResult]:
        """A result for every requirement of the catalogue; NOT_RUN where no check ran."""
        judged = by_requirement(self.checks)
        return {id: judged.get(id) or _not_run(row) for id, row in CATALOGUE.items()}

    @cached_property
    def profiles(self) -> list[ProfileResult]:
        """Every claimed profile with its counts, certified or not."""
        return [PROFILES[name].judge(self.results) for name in self.claimed]

    @cached_property
    def checklist(self) -> list[ChecklistItem]:
        """The guide's items."""
        return judge_checklist(self.results)

    @property
    def exit_code(self) -> int:
        """0: every MUST of the claimed profiles holds; 3: any ERROR among them; otherwise 1."""
        return exit_code(self.claimed, self.results, self.baseline)

    def as_json(self) -> dict[str, Any]:
        """The report as its JSON Schema (`report-1.schema.json`) says."""
        return {
            "schema": SCHEMA_VERSION,
            "suite": asdict(self.suite),
            "target": asdict(self.target),
            "exit_code": self.exit_code,
            "stale": list(self.stale),
            "claimed": list(self.claimed),
            "profiles": [profile.as_json() for profile in self.profiles],
            "checklist": [asdict(item) for item in self.checklist],
            "requirements": [
                _requirement_json(CATALOGUE[id], result) for id, result in self.results.items()
            ],
            "statistics": [],
            "environment": dict(self.environment),
            "baseline": self.baseline.as_json(self.results),
        }

    def write(self, directory: Path) -> None:
        """Writes this suite's part, then the merge of all parts and its renderings."""
        from .render import render

        directory.mkdir(parents=True, exist_ok=True)
        _dump(self, directory / f"{self.suite.name}.json")
        merged = merge(self, _parts(directory))
        _dump(merged, directory / "report.json")
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
    return [read(path) for path in directory.glob("*.json") if path.name != "report.json"]


def _dump(report: Report, path: Path) -> None:
    text = json.dumps(report.as_json(), indent=1, ensure_ascii=False, allow_nan=False)
    # Half a character becomes an escape, which JSON reads as the same half again.
    path.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def _not_run(requirement: Requirement) -> RequirementResult:
    reason = requirement.waiver or "no check has judged it in this run"
    return RequirementResult(requirement.id, Verdict.NOT_RUN, reason)


def _requirement_json(requirement: Requirement, result: RequirementResult) -> dict[str, Any]:
    return {
        "id": requirement.id,
        "slug": requirement.slug,
        "level": requirement.level,
        "basis": requirement.basis,
        "profile": requirement.profile,
        "text": requirement.text,
        "source": asdict(requirement.source),
        "verdict": result.verdict,
        "sentence": result.sentence,
        "seconds": round(result.seconds, 6),
        "checks": [check.as_json() for check in result.checks],
    }
