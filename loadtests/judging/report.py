"""What a run leaves behind: one JSON file, from which everything else is rendered."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from servespec.target.objective import Objective
from servespec.verdicts.verdict import Verdict

from .budget import Budget, Limit, budget_of
from .gates import Run, spoilt
from .judge import Judgement, judge
from .scenario import Scenario, scenario_of
from .summary import Summary, summarize

__all__ = ["LoadReport", "finite", "report_of"]


@dataclass(frozen=True, slots=True)
class LoadReport:
    """A run and what it says.

    Attributes:
        address: where the load went.
        plan: what was to be done, and the fingerprint of the schedule.
        summary: what came of it.
        judgements: of each objective.
        spoilt: why the run says nothing; empty where it does.
        calibrations: what each worker said of itself.
        cpu_microseconds: that the generator took for a request.
        budget: where the time of the requests went; None where no answer tells.
        scenario: what a closed loop came to; None for an open one.
    """

    address: str
    plan: Mapping[str, Any]
    summary: Summary
    judgements: Sequence[Judgement]
    spoilt: Sequence[str]
    calibrations: Sequence[Mapping[str, Any]]
    cpu_microseconds: float
    budget: Budget | None = None
    scenario: Scenario | None = None

    @property
    def all_judgements(self) -> Sequence[Judgement]:
        """Of each objective, and of what each part of the time may take."""
        return [*self.judgements, *(self.budget.judgements if self.budget else ())]

    @property
    def verdict(self) -> Verdict:
        """The worst of objectives and budget; without any, whether the run is worth something."""
        if judgements := self.all_judgements:
            return Verdict.worst(judgement.verdict for judgement in judgements)
        return Verdict.INVALID if self.spoilt else Verdict.NOT_RUN

    def to_json(self) -> dict[str, Any]:
        """As plain values; null stands for what is infinite or was not measured."""
        values: dict[str, Any] = finite({**asdict(self), "verdict": self.verdict})
        return values

    def write(self, path: Path) -> None:
        """Write the JSON file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.to_json(), allow_nan=False) + "\n", encoding="utf-8")


def report_of(
    run: Run, address: str, objectives: Sequence[Objective], limits: Sequence[Limit] = ()
) -> LoadReport:
    """Summarize and judge a run."""
    evidence = run.evidence
    return LoadReport(
        address=address,
        plan={**asdict(run.plan), "fingerprint": run.fingerprint},
        summary=summarize(evidence, run.plan.seconds),
        judgements=judge(run, objectives),
        spoilt=spoilt(run),
        calibrations=run.calibrations,
        cpu_microseconds=run.cpu_seconds / evidence.requests * 1e6,
        budget=budget_of(run, limits),
        scenario=scenario_of(run),
    )


def finite(value: Any) -> Any:
    """The same with null for numbers that JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
