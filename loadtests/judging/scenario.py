"""MLPerf's closed-loop scenarios: what they report, and what they cannot be asked.

MLPerf Inference's LoadGen (`results.cc`) reports one percentile of SingleStream and of MultiStream,
as the lowest time that its early stopping proves with 99 % confidence.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from servespec.stats.early_stopping import fewest, proven
from servespec.stats.effective import effective_over
from servespec.stats.percentiles import percentile
from servespec.target.objective import Measure, Objective

from ..sending.plan import CLOSED, Plan, PlanError
from .evidence import of_queries
from .gates import Run

__all__ = ["Scenario", "fits", "must_fit", "scenario_of"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a closed loop came to; seconds.

    Attributes:
        name: such as `single-stream`.
        queries: that were asked.
        together: requests of a query; it is complete with the last of them.
        percent: of the percentile that MLPerf reports.
        seen: that percentile of the queries that were asked.
        proven: what it is at most, with 99 % confidence; infinite where the queries are too few.
        missing: how many more queries would prove something; 0 where they do.
    """

    name: str
    queries: int
    together: int
    percent: float
    seen: float
    proven: float
    missing: int


def fits(plan: Plan, objective: Objective) -> bool:
    """Whether traffic of this plan can tell: a closed loop tells its own percentile alone."""
    name = plan.arrivals.partition(":")[0]
    own = objective.measure is Measure.PERCENTILE and objective.percent == CLOSED.get(name)
    return own or not plan.together


def must_fit(plan: Plan, objectives: Sequence[Objective]) -> None:
    """Refuse what traffic of this plan cannot tell.

    Raises:
        PlanError: one of them is of open traffic, and the plan is a closed loop.
    """
    for each in objectives:
        if not fits(plan, each):
            name = plan.arrivals.partition(":")[0]
            raise PlanError(
                f"slo: expected p{CLOSED[name]:g} alone of {name}, which is a closed loop and asks "
                f"a slow server less; found {each}"
            )


def scenario_of(run: Run) -> Scenario | None:
    """What a closed loop came to; None for an open one, and where nothing was asked."""
    name = run.plan.arrivals.partition(":")[0]
    taken = of_queries(run.plan, run.records.response_seconds()[run.records.settled()])
    if name not in CLOSED or not len(taken):
        return None
    percent = CLOSED[name]
    seen, allowed = percentile(taken, percent), (100 - percent) / 100
    worth = effective_over(taken, seen)
    return Scenario(
        name=name,
        queries=len(taken),
        together=run.plan.together,
        percent=percent,
        seen=seen,
        proven=proven(taken, allowed, effective=worth),
        missing=max(0, math.ceil(fewest(allowed, 1) * len(taken) / worth) - len(taken)),
    )
