"""How much one replica serves within its objectives: a search over the offered load.

`python -m loadtests.comparing.knee --target-url http://127.0.0.1:8000 --slo "p99 < 100ms"`
"""

import argparse
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from servespec.stats.capacity import Capacity, Search, Trial
from servespec.stats.early_stopping import fewest
from servespec.stats.knee import FEWEST, Knee, find_knee
from servespec.stats.percentiles import percentile
from servespec.target.objective import Measure, Objective
from servespec.verdicts.verdict import Verdict

from ..commands import Parser, add_plan_options, begin, conclude, planned
from ..judging.judge import judge
from ..judging.report import finite
from ..sending.records import Fate
from ..sending.template import template_of
from .saturation import Watched

__all__ = ["KneeReport", "Step", "bound_of", "search_steps", "seconds_for", "step_of", "until_told"]

_TAIL = 99.0
_LONGER = (1, 2, 4, 8)
"""How many times as long a rate is offered, until it can be told whether it is served well."""


@dataclass(frozen=True, slots=True)
class Step:
    """One rate that was offered.

    Attributes:
        rate: requests a second.
        seconds: how long it was offered.
        achieved: right answers a second.
        tail: the p99, seconds; infinite where too many were not answered.
        verdict: PASS where every objective was met.
        sentence: what was seen of them.
        drowned: when the step was stopped as the server fell behind, in seconds; None: it was not.
            Its `tail` is what it was until then, which is too small.
    """

    rate: float
    seconds: float
    achieved: float
    tail: float
    verdict: Verdict
    sentence: str
    drowned: float | None


@dataclass(frozen=True, slots=True)
class KneeReport:
    """What one replica serves.

    Attributes:
        address: where the load went.
        objectives: that were to be met.
        plan: of a step: arrivals, plane, workload, seed.
        capacity: the highest rate at which they were met every time, requests a second; None where
            none was.
        missed: the lowest rate at which they were not; None where none was.
        limit: the verdict at that rate: FAIL is the server's limit, INVALID the generator's,
            INCONCLUSIVE says that the requests were too few to tell.
        repeats: how often the capacity was confirmed.
        knee: where the p99, as its natural logarithm, bends over the offered load; None where
            there were too few different loads to fit it.
        steps: in the order of time.
        calibration: what the generator took by itself.
    """

    address: str
    objectives: Sequence[str]
    plan: Mapping[str, Any]
    capacity: float | None
    missed: float | None
    limit: Verdict | None
    repeats: int
    knee: Knee | None
    steps: Sequence[Step]
    calibration: Mapping[str, Any]

    @property
    def verdict(self) -> Verdict:
        """PASS where a capacity was found; else what was in the way."""
        if self.capacity is not None:
            return Verdict.PASS
        return self.limit or Verdict.NOT_RUN

    @property
    def sentence(self) -> str:
        """The capacity for a reader."""
        objectives = " and ".join(self.objectives)
        if self.capacity is None:
            return f"no capacity: {objectives} was not met at {self.missed:g} requests a second"
        found = (
            f"capacity {self.capacity:.4g} requests a second for one replica, {objectives}, "
            f"met {self.repeats} times"
        )
        if self.missed is None:
            return f"{found}; more was not tried"
        return f"{found}; between {self.capacity:.4g} and {self.missed:.4g}, {_WHY[self.limit]}"

    def to_json(self) -> dict[str, Any]:
        """As plain values; null stands for what is infinite or was not found."""
        told = {"verdict": self.verdict, "sentence": self.sentence}
        values: dict[str, Any] = finite({**asdict(self), **told})
        return values


_WHY: Mapping[Verdict | None, str] = {
    Verdict.FAIL: "where they are missed",
    Verdict.INVALID: "where the generator fails: the server may serve more",
    Verdict.INCONCLUSIVE: "where the requests are too few to tell",
}


def bound_of(objectives: Sequence[Objective]) -> float:
    """Seconds that no request should be under way, by the objectives' own bounds on times."""
    times = (Measure.PERCENTILE, Measure.MEAN)
    return max((each.bound for each in objectives if each.measure in times), default=1.0)


def seconds_for(objectives: Sequence[Objective], rate: float, seconds: float) -> float:
    """How long to offer a rate: four times what would prove the objectives of independent requests.

    Near the knee neighbours wait in the same queue, and are worth less.
    """
    shares = [each.allowed for each in objectives if each.allowed]
    return max(seconds, 4 * max(map(fewest, shares), default=0) / rate)


def step_of(watched: Watched, objectives: Sequence[Objective]) -> Step:
    """What one rate showed."""
    run = watched.run
    seconds = run.plan.seconds if watched.drowned is None else watched.drowned
    answered = run.records.counts()[Fate.ANSWERED]
    verdict, sentence = _told(watched, objectives)
    return Step(
        rate=run.plan.rate,
        seconds=seconds,
        achieved=answered / seconds,
        tail=percentile(watched.taken, _TAIL),
        verdict=verdict,
        sentence=sentence,
        drowned=watched.drowned,
    )


def _told(watched: Watched, objectives: Sequence[Objective]) -> tuple[Verdict, str]:
    if watched.drowned is None:
        judgements = judge(watched.run, objectives)
        worst = Verdict.worst(each.verdict for each in judgements)
        return worst, "; ".join(each.sentence for each in judgements)
    if not watched.sent_in_time:
        return Verdict.INVALID, "the generator fell behind"
    return Verdict.FAIL, f"stopped after {watched.drowned:.1f} s: the server fell behind for good"


def search_steps(
    search: Search, offer: Callable[[float, int], Step]
) -> tuple[Sequence[Step], Capacity]:
    """Offer one rate after the other until the capacity is known.

    A step that could not tell, for whatever reason, did not meet the objectives.

    Args:
        search: says which rate comes next.
        offer: a rate, and the number of the step from 0 on.
    """
    steps: list[Step] = []
    while not isinstance(
        wanted := search.next([Trial(step.rate, step.verdict is Verdict.PASS) for step in steps]),
        Capacity,
    ):
        steps.append(offer(wanted, len(steps)))
    return steps, wanted


def until_told(offer: Callable[[int], Step]) -> Step:
    """Offer a rate for longer and longer while it cannot be told whether it meets the objectives.

    Args:
        offer: by how many times as long.
    """
    steps = map(offer, _LONGER)
    step = next(steps)
    while step.verdict is Verdict.INCONCLUSIVE and (longer := next(steps, None)):
        step = longer
    return step


def fitted(steps: Sequence[Step]) -> Knee | None:
    """The bend of the logarithm of the p99 over the offered load; None for too few loads."""
    seen = [step for step in steps if 0 < step.tail < math.inf and step.verdict != Verdict.INVALID]
    if len({step.rate for step in seen}) < FEWEST:
        return None
    return find_knee([step.rate for step in seen], np.log([step.tail for step in seen]))


def _limit(steps: Sequence[Step], missed: float | None) -> Verdict | None:
    """The verdict at the lowest rate that did not meet the objectives."""
    verdicts = (step.verdict for step in steps if step.rate == missed)
    return next((verdict for verdict in verdicts if verdict is not Verdict.PASS), None)


def rendered(report: KneeReport) -> str:
    """The steps as a table, the bend, and the capacity."""
    lines = [f"{'offered':>9} {'achieved':>9} {'p99':>11}  verdict"]
    lines += [
        f"{step.rate:9.4g} {step.achieved:9.4g} {step.tail * 1e3:8.4g} ms  "
        f"{step.verdict}: {step.sentence}"
        for step in report.steps
    ]
    if report.knee is not None:
        within = report.knee.interval
        lines.append(
            f"the p99 bends at {report.knee.load:.4g} requests a second "
            f"({within.low:.4g} to {within.high:.4g}, 95 %)"
        )
    return "\n".join([*lines, f"{report.verdict} {report.sentence}"]) + "\n"


def measured(given: argparse.Namespace) -> KneeReport:
    """Search as the options say.

    Raises:
        PlanError: they make no plan, or nobody answers there.
        ObjectiveError: one of the objectives is none.
    """
    from .blocks import calibrated, drive_until_drowned, endpoint_of, warm_up

    objectives = [Objective.parse(text) for text in given.slo]
    plan = planned(given)
    endpoint = endpoint_of(given.target_url, plan.plane, template_of(plan))
    warm_up(plan, endpoint)
    calibration = calibrated(plan, endpoint).to_dict()

    def once(rate: float, seed: int, longer: int) -> Step:
        seconds = longer * seconds_for(objectives, rate, plan.seconds)
        step = replace(plan, rate=rate, seconds=seconds, seed=seed)
        told = step_of(drive_until_drowned(step, endpoint, bound_of(objectives)), objectives)
        sys.stderr.write(f"{rate:9.4g}/s {told.verdict}: {told.sentence}\n")
        return told

    def offer(rate: float, number: int) -> Step:
        return until_told(partial(once, rate, plan.seed + number))

    lowest = min(given.lowest or given.rate / 8, given.rate)
    search = Search(given.rate, lowest, given.highest, given.resolution, given.repeats)
    steps, capacity = search_steps(search, offer)
    return KneeReport(
        address=endpoint.address,
        objectives=[str(each) for each in objectives],
        plan={key: value for key, value in asdict(plan).items() if key != "rate"},
        capacity=capacity.rate,
        missed=capacity.missed,
        limit=_limit(steps, capacity.missed),
        repeats=given.repeats,
        knee=fitted(steps),
        steps=steps,
        calibration=calibration,
    )


def _parser() -> argparse.ArgumentParser:
    parser = Parser("servespec capacity", description=__doc__.partition("\n")[0])
    add_plan_options(parser, rate=20.0, seconds=10.0)
    add = parser.add_argument
    add("--target-url", required=True, metavar="URL|FILE",
        help="the server, or its target file")  # fmt: skip
    add("--slo", action="append", required=True, metavar="OBJECTIVE", help="such as 'p99<100ms'")
    add("--lowest", type=float, metavar="R", help="below it nothing is tried; an 8th of --rate")
    add("--highest", type=float, default=5000.0, metavar="R", help="above it nothing is tried")
    add("--resolution", type=float, default=0.05, metavar="SHARE", help="how exact")
    add("--repeats", type=int, default=5, metavar="N", help="how often it is confirmed")
    return parser


def main(given: argparse.Namespace) -> int:
    """Search, tell, and return 0 for a capacity, 1 for none, 2 for what cannot be done."""
    return conclude(given, measured, rendered)


if __name__ == "__main__":
    assert __spec__ is not None
    raise SystemExit(begin(__spec__.name, _parser().parse_args(), ["target_url"], main))
