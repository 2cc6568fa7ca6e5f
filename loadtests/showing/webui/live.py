"""A run that goes on, reported by as much of it as is wholly known."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np

from servespec.target.objective import Objective

from ...judging.budget import Limit, budget_of
from ...judging.gates import Run, spoilt
from ...judging.judge import judge
from ...judging.report import LoadReport
from ...judging.scenario import scenario_of
from ...judging.summary import summarize
from ...sending.records import Fate, Records

__all__ = ["Now", "Test", "now_of", "so_far"]


class Progress(Protocol):
    """A run, as the master knows it."""

    @property
    def under_way(self) -> Mapping[int, int]:
        """How many requests are now, by worker."""

    @property
    def elapsed(self) -> float:
        """Seconds since the schedule began; negative before it."""

    def run(self) -> Run:
        """What was collected."""


class Test(Protocol):
    """What an environment knows of its load test.

    Attributes:
        objectives: of the run.
        limits: of the parts of its time.
        report: of the run when it is over.
        mistake: why it could not begin; empty where it could.
    """

    objectives: Sequence[Objective]
    limits: Sequence[Limit]
    report: LoadReport | None
    mistake: str

    @property
    def master(self) -> Progress | None:
        """The run, or None before the first."""

    @property
    def address(self) -> str:
        """Where the load goes."""


@dataclass(frozen=True, slots=True)
class Now:
    """The state of a load test at a moment.

    Attributes:
        phase: `none`, `mistaken`, `preparing`, `running` or `over`.
        mistake: why no run could begin.
        elapsed: seconds since the schedule began; 0 before it.
        under_way: requests that were sent and not answered.
        report: as `LoadReport.to_json` gives it, of the whole seconds of the schedule of which all
            is known; None before the first.
    """

    phase: str
    mistake: str = ""
    elapsed: float = 0.0
    under_way: int = 0
    report: Mapping[str, Any] | None = None


def now_of(test: Test) -> Now:
    """The state of a load test."""
    master = test.master
    if test.mistake:
        return Now("mistaken", test.mistake)
    if master is None:
        return Now("none")
    if test.report is not None:
        return Now("over", elapsed=master.elapsed, report=test.report.to_json())
    if master.elapsed < 0:
        return Now("preparing")
    under_way = sum(master.under_way.values())
    report = so_far(master.run(), test.address, test.objectives, test.limits)
    return Now("running", "", master.elapsed, under_way, report.to_json() if report else None)


def so_far(
    run: Run, address: str, objectives: Sequence[Objective], limits: Sequence[Limit] = ()
) -> LoadReport | None:
    """Report on the whole seconds of the schedule of which every request has its fate.

    To take all that have one would leave out the slow ones of the last seconds.
    """
    begun = _tallied(run) if run.tally else _known(run)
    if begun is None:
        return None
    return LoadReport(
        address=address,
        plan={**asdict(run.plan), "fingerprint": "told at the end"},
        summary=summarize(begun.evidence, begun.plan.seconds),
        judgements=judge(begun, objectives),
        spoilt=spoilt(begun),
        calibrations=run.calibrations,
        cpu_microseconds=float("nan"),
        budget=budget_of(begun, limits),
        scenario=scenario_of(begun),
    )


def _known(run: Run) -> Run | None:
    """The run up to the whole second before the first request without a fate."""
    pending = np.flatnonzero(run.records.fate == Fate.PENDING)
    known = float(run.records.intended[pending[0]]) if len(pending) else run.plan.seconds
    seconds = float(np.floor(min(known, run.plan.seconds)))
    records = run.records.first_rows(int(np.searchsorted(run.records.intended, seconds)))
    if not len(records):
        return None
    return replace(
        run,
        plan=replace(run.plan, seconds=seconds),
        records=records,
        area=_area(records),
        counted=None,  # which is of all requests
        timings={row: told for row, told in [*run.timings.items()] if row < len(records)},
    )


def _tallied(run: Run) -> Run | None:
    """The same of a run that is kept as histograms."""
    assert run.tally is not None
    tally = run.tally.first(run.tally.known())
    if not tally.offered.sum():
        return None
    return replace(run, plan=replace(run.plan, seconds=tally.end), tally=tally, area=tally.stays)


def _area(records: Records) -> float:
    """By the records' own times: what workers count apart from them comes when all is over."""
    return float(np.nansum(records.done - records.dispatched))
