"""The baseline: known failures of a target. It changes the exit code, never the certificate."""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .catalogue import CATALOGUE
from .result import RequirementResult
from .verdict import Verdict

__all__ = ["Baseline", "BaselineError", "Known"]

BAD = {Verdict.FAIL, Verdict.UNTESTABLE, Verdict.INCONCLUSIVE, Verdict.INVALID}
KEYS = ("id", "reason", "issue")


class BaselineError(ValueError):
    """The file is no baseline: one line that names the file, the entry and what was expected."""


@dataclass(frozen=True, slots=True)
class Known:
    """A failure that is known: the requirement's id, why it fails, where that is followed up."""

    id: str
    reason: str
    issue: str


@dataclass(frozen=True, slots=True)
class Baseline:
    """The known failures of one target."""

    known: tuple[Known, ...] = ()

    @classmethod
    def load(cls, path: Path) -> "Baseline":
        """Reads `baseline.toml`: tables `[[known]]` with `id`, `reason` and `issue`.

        Raises:
            BaselineError: the file cannot be read, or an entry is not as expected.
        """
        try:
            rows = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise BaselineError(f"{path}: expected a TOML file: {error.strerror}") from error
        except ValueError as error:
            raise BaselineError(f"{path}: expected a TOML file: {error}") from error
        if unknown := sorted(set(rows) - {"known"}):
            raise BaselineError(f"{path}: {unknown[0]}: expected only tables [[known]]")
        entries = rows.get("known", [])
        if not isinstance(entries, list):
            raise BaselineError(f"{path}: known: expected tables [[known]]")
        return cls(tuple(_known(f"{path}: [[known]] {n}", e) for n, e in enumerate(entries, 1)))

    def apply(
        self, results: Mapping[str, RequirementResult]
    ) -> tuple[list[RequirementResult], list[Known]]:
        """Parts what is new from what is known.

        Returns:
            The failures that no entry knows, and the stale entries: those whose requirement holds,
            or that name no requirement. An entry whose requirement was not judged is neither.
        """
        known = {entry.id for entry in self.known}
        failures = [seen for seen in results.values() if seen.verdict in BAD]
        return (
            [seen for seen in failures if seen.requirement not in known],
            [entry for entry in self.known if _is_stale(entry, results)],
        )

    def as_json(self, results: Mapping[str, RequirementResult]) -> dict[str, Any]:
        """The baseline as the report's JSON has it: each entry, and whether it is stale."""
        _, stale = self.apply(results)
        return {"known": [{**asdict(entry), "stale": entry in stale} for entry in self.known]}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "Baseline":
        """The inverse of `as_json`."""
        return cls(tuple(Known(**{key: entry[key] for key in KEYS}) for entry in row["known"]))


def _known(where: str, entry: Any) -> Known:
    if not isinstance(entry, dict):
        raise BaselineError(f"{where}: expected a table with {', '.join(KEYS)}")
    if unknown := sorted(set(entry) - set(KEYS)):
        raise BaselineError(f"{where}: {unknown[0]}: expected only {', '.join(KEYS)}")
    for key in KEYS:
        if not isinstance(entry.get(key), str) or not entry[key]:
            raise BaselineError(f"{where}: {key}: expected a text")
    return Known(**entry)


def _is_stale(entry: Known, results: Mapping[str, RequirementResult]) -> bool:
    if entry.id not in CATALOGUE:
        return True
    seen = results.get(entry.id)
    return seen is not None and seen.verdict in {Verdict.PASS, Verdict.NOT_APPLICABLE}
