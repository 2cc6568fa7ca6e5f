"""The checklist of the serving guide, answered from the verdicts of a run."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from .catalogue import CATALOGUE
from .result import RequirementResult
from .verdict import Verdict

__all__ = ["ITEMS", "ChecklistItem", "Item", "judge_checklist"]


@dataclass(frozen=True, slots=True)
class Item:
    """What the guide demands.

    Attributes:
        item: its name.
        guide: where the guide says so.
        sentence: what holds when the item passes.
        profile: the profile that judges it, or will.
        requirements: the ids of the requirements that judge it.
        unjudged: the part of it that no requirement judges yet; empty if all of it is judged.
    """

    item: str
    guide: str
    sentence: str
    profile: str
    requirements: tuple[str, ...]
    unjudged: str = ""


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    """An item's answer: the verdict, a sentence to act on, and the requirements behind it."""

    item: str
    verdict: Verdict
    sentence: str
    requirements: tuple[str, ...]


def judge_checklist(results: Mapping[str, RequirementResult]) -> list[ChecklistItem]:
    """Answers every item: PASS when all of its requirements pass, FAIL when one fails.

    Args:
        results: a result by the requirement's id; a missing one counts as NOT_RUN.
    """
    return [_judge(item, results) for item in ITEMS.values()]


def _judge(item: Item, results: Mapping[str, RequirementResult]) -> ChecklistItem:
    seen = {
        id: results[id].verdict if id in results else Verdict.NOT_RUN for id in item.requirements
    }
    verdict = _verdict([*seen.values(), *([Verdict.NOT_RUN] if item.unjudged else [])])
    decisive = [id for id, found in seen.items() if found is verdict]
    if verdict is Verdict.PASS:
        sentence = item.sentence
    elif verdict is Verdict.NOT_RUN:
        sentence = _missing(item, decisive)
    else:
        sentence = f"{decisive[0]}: {results[decisive[0]].sentence}"
    return ChecklistItem(item.item, verdict, sentence, item.requirements)


def _verdict(verdicts: list[Verdict]) -> Verdict:
    """The worst, but a failure is the target's and stands before an error of the suite."""
    return Verdict.FAIL if Verdict.FAIL in verdicts else Verdict.worst(verdicts)


def _missing(item: Item, ids: list[str]) -> str:
    profiles = dict.fromkeys([CATALOGUE[id].profile for id in ids])
    parts = [f"{', '.join(ids)} (profile {', '.join(profiles)})"] if ids else []
    if item.unjudged:
        parts.append(f"{item.unjudged} (no check yet, profile {item.profile})")
    return f"not judged: {'; '.join(parts)}"


def _load() -> Mapping[str, Item]:
    rows = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return MappingProxyType(
        {
            name: Item(**{**row, "item": name, "requirements": tuple(row["requirements"])})
            for name, row in rows.items()
        }
    )


ITEMS: Mapping[str, Item] = _load()
"""Every item by name, in the guide's order."""
