"""Results as a run would find them."""

from collections.abc import Iterable

from servespec.verdicts.result import RequirementResult
from servespec.verdicts.verdict import Verdict


def results(
    ids: Iterable[str], verdict: Verdict = Verdict.PASS, **others: Verdict
) -> dict[str, RequirementResult]:
    """The same verdict for all ids but `others`, whose ids are written with underscores."""
    seen = dict.fromkeys(ids, verdict) | {id.replace("_", "-"): v for id, v in others.items()}
    return {id: RequirementResult(id, found, f"seen {found}") for id, found in seen.items()}
