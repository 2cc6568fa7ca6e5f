"""One schema for every suite's result, and all that follows from what its checks found."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from .baseline import Baseline
from .catalogue import CATALOGUE, Requirement, catalogue_sha256
from .checklist import ChecklistItem, judge_checklist
from .profile import PROFILES, ProfileResult, exit_code
from .result import CheckResult, RequirementResult, by_requirement
from .verdict import Verdict

__all__ = ["SCHEMA_VERSION", "Report", "SuiteInfo", "TargetInfo"]

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
            "statistics": [
                {"check": check.check, **one} for check in self.checks for one in check.statistics
            ],
            "environment": dict(self.environment),
            "baseline": self.baseline.as_json(self.results),
        }


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
