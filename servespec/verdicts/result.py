"""What one run found: a result for each check, and from these one for each requirement."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .verdict import Verdict

__all__ = ["CheckResult", "RequirementResult", "by_requirement"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check's verdict on one target.

    Attributes:
        check: the requirement's id, or `id/name` where several checks judge one requirement.
        requirement: the requirement's id.
        sentence: what was seen, for a reader who can act on it; empty on a plain PASS.
        seconds: wall time of the check.
        variants: what the target does where the source leaves a choice.
        evidence: the exchanges as on the wire, each with the command that repeats it.
        statistics: what was measured: name, unit, value, low, high, count and confidence of each;
            None where a number is infinite.
    """

    check: str
    requirement: str
    verdict: Verdict
    sentence: str = ""
    seconds: float = 0.0
    variants: Mapping[str, str] = field(default_factory=dict)
    evidence: tuple[Mapping[str, str], ...] = ()
    statistics: tuple[Mapping[str, Any], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The result as the report's JSON has it."""
        lists = {"evidence": list(self.evidence), "statistics": list(self.statistics)}
        return {**asdict(self), **lists}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "CheckResult":
        """The inverse of `as_json`."""
        return cls(
            **{
                **row,
                "verdict": Verdict(row["verdict"]),
                "evidence": tuple(row["evidence"]),
                "statistics": tuple(row.get("statistics", ())),
            }
        )


@dataclass(frozen=True, slots=True)
class RequirementResult:
    """A requirement's verdict: the worst of its checks that apply, with that check's sentence."""

    requirement: str
    verdict: Verdict
    sentence: str
    checks: tuple[CheckResult, ...] = ()

    @property
    def seconds(self) -> float:
        """Wall time of all its checks."""
        return sum(check.seconds for check in self.checks)


def by_requirement(checks: Iterable[CheckResult]) -> dict[str, RequirementResult]:
    """Each requirement that was judged, by id."""
    groups: dict[str, list[CheckResult]] = {}
    for check in checks:
        groups.setdefault(check.requirement, []).append(check)
    return {id: _worst(id, group) for id, group in groups.items()}


def _worst(requirement: str, checks: list[CheckResult]) -> RequirementResult:
    # A check that does not apply, such as of a datatype that is not served, says nothing.
    applied = [check.verdict for check in checks if check.verdict is not Verdict.NOT_APPLICABLE]
    verdict = Verdict.worst(applied or [Verdict.NOT_APPLICABLE])
    sentence = next(check.sentence for check in checks if check.verdict is verdict)
    return RequirementResult(requirement, verdict, sentence, tuple(checks))
