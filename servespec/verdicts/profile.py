"""Profiles: what a server can be certified for, and the rules of certificate and exit code."""

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

from .baseline import Baseline
from .catalogue import CATALOGUE, FOLDER, Basis, Level
from .result import RequirementResult
from .verdict import Verdict

__all__ = ["CONFORMANCE", "PROFILES", "REVISION", "Profile", "ProfileResult", "Tally", "exit_code"]

CONFORMANCE = "conformance"
"""The suite that judges a profile unless the profile says another."""
GOOD = {Verdict.PASS, Verdict.NOT_APPLICABLE}


@dataclass(frozen=True, slots=True)
class Tally:
    """How many passed, of how many that apply."""

    passed: int
    total: int

    @classmethod
    def of(cls, verdicts: Iterable[Verdict]) -> "Tally":
        """Counts; what does not apply counts neither way."""
        applicable = [verdict for verdict in verdicts if verdict is not Verdict.NOT_APPLICABLE]
        return cls(applicable.count(Verdict.PASS), len(applicable))


@dataclass(frozen=True, slots=True)
class ProfileResult:
    """What a profile came to.

    Attributes:
        certified: every MUST of the frozen set passed or does not apply.
        stated: the MUSTs that a source states or describes.
        judged: the MUSTs that are our judgement.
        should: the SHOULDs; one that fails is a warning.
        counts: the number of requirements of each verdict, of every level.
    """

    name: str
    title: str
    certified: bool
    stated: Tally
    judged: Tally
    should: Tally
    counts: Mapping[Verdict, int]

    @property
    def not_run(self) -> int:
        """How many requirements no check has judged."""
        return self.counts.get(Verdict.NOT_RUN, 0)

    def as_json(self) -> dict[str, Any]:
        """The profile as the report's JSON has it."""
        row = asdict(self)
        return {**row, "counts": {str(verdict): n for verdict, n in self.counts.items()}}


@dataclass(frozen=True, slots=True)
class Profile:
    """A named set of requirements to claim.

    Attributes:
        core: whether it is claimed for a bare URL whose plane answers.
        ids: the frozen set of this revision, in the catalogue's order.
        plane: `rest` or `grpc` for a core profile; empty otherwise.
        suite: whose checks judge it, by the name of their folder.
    """

    name: str
    title: str
    sentence: str
    core: bool
    ids: tuple[str, ...]
    plane: str = ""
    suite: str = CONFORMANCE

    def judge(self, results: Mapping[str, RequirementResult]) -> ProfileResult:
        """The certificate's rule: every MUST of the frozen set is PASS or NOT_APPLICABLE.

        Args:
            results: a result for each requirement of the set; a missing one counts as NOT_RUN.
        """
        verdicts = {CATALOGUE[id]: _verdict(results, id) for id in self.ids}
        musts = {row: seen for row, seen in verdicts.items() if row.level is Level.MUST}
        return ProfileResult(
            self.name,
            self.title,
            certified=bool(musts) and GOOD.issuperset(musts.values()),
            stated=Tally.of(seen for row, seen in musts.items() if row.basis is not Basis.JUDGED),
            judged=Tally.of(seen for row, seen in musts.items() if row.basis is Basis.JUDGED),
            should=Tally.of(seen for row, seen in verdicts.items() if row.level is Level.SHOULD),
            counts=dict(Counter(verdicts.values())),
        )


def exit_code(
    claimed: Iterable[str], results: Mapping[str, RequirementResult], baseline: Baseline
) -> int:
    """What a run comes to for a script.

    Returns:
        3 if a check of a claimed profile is an ERROR, whatever its level: the suite failed. 1 if
        a MUST of a claimed profile does not hold and the baseline does not know it, or if an
        entry of the baseline is stale. Otherwise 0; a NOT_RUN alone changes nothing.
    """
    ids = {id for name in claimed for id in PROFILES[name].ids}
    if any(_verdict(results, id) is Verdict.ERROR for id in ids):
        return 3
    failures, stale = baseline.apply(results)
    broken = [seen for seen in failures if seen.requirement in ids and _is_must(seen)]
    return 1 if broken or stale else 0


def _verdict(results: Mapping[str, RequirementResult], id: str) -> Verdict:
    return results[id].verdict if id in results else Verdict.NOT_RUN


def _is_must(result: RequirementResult) -> bool:
    return CATALOGUE[result.requirement].level is Level.MUST


def _load() -> tuple[str, Mapping[str, Profile]]:
    rows = tomllib.loads((FOLDER / "profiles.toml").read_text(encoding="utf-8"))
    revision = rows.pop("revision")
    profiles = {
        name: Profile(**{**row, "name": name, "ids": tuple(row["ids"])})
        for name, row in rows.items()
    }
    return revision, MappingProxyType(profiles)


REVISION, PROFILES = _load()
"""The revision of the frozen sets, and every profile by name."""
