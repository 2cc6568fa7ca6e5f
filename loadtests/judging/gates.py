"""What makes a run worthless, whatever it shows: faults of the generator."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..sending.plan import Plan
from ..sending.records import Fate, Records
from ..sending.tally import Tally
from .counters import Counted
from .evidence import Evidence, of_rows, of_tally

__all__ = ["GATES", "Run", "beyond_reach", "spoilt", "spoilt_blocks"]

ACHIEVED = 0.99
"""The least share of the requests that has to be dispatched by the schedule's end."""
LITTLE = 0.05
"""By how much the two sides of L = lambda W may differ, as a share of the larger one."""
REACHED = 0.7
"""The share that may be asked of what a generator reaches. At seven tenths a request waits for
others, on average, a little longer than it takes itself (M/D/1); beyond, soon for long."""
BESIDE = 1e-4
"""Seconds a request that they may differ in any case: the count is made beside the times, and where
processes share a core one of them may wait in between. A fast server's times are hardly longer."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is over.

    Attributes:
        plan: what was to be done.
        records: what became of each request; none where there is a tally.
        problems: with the workers, a sentence each.
        area: of the requests under way over time, as the workers counted them.
        calibrations: what each worker said of itself.
        cpu_seconds: what the workers took.
        timings: the Server-Timing of some answers, by the request's number.
        counted: what the server counted meanwhile; None where it was not asked, or does not tell.
        tally: what became of them all, of a run too long to keep each one.
        fingerprint: of its schedule.
    """

    plan: Plan
    records: Records
    problems: Sequence[str]
    area: float
    calibrations: Sequence[Mapping[str, Any]]
    cpu_seconds: float
    timings: Mapping[int, str] = field(default_factory=dict)
    counted: Counted | None = None
    tally: Tally | None = None
    fingerprint: str = ""

    @property
    def evidence(self) -> Evidence:
        """What is known of its requests."""
        if self.tally is not None:
            return of_tally(self.tally)
        return of_rows(self.plan, self.records)


def spoilt(run: Run) -> list[str]:
    """Why the run says nothing: a sentence for each gate that it did not pass.

    Of a run that was refused nothing was sent: all others follow from that.
    """
    refused = within_reach(run)
    if refused and run.evidence.counts()[Fate.PENDING] == run.evidence.requests:
        return [refused]
    return [why for gate in GATES if (why := gate(run))]


def spoilt_blocks(runs: Sequence[Run]) -> list[str]:
    """The same for short runs that are taken together, each fault once.

    The load achieved is that of them all: in a block of some requests the last alone is a percent.
    """
    gates = [gate for gate in GATES if gate is not load_achieved]
    found = [why for run in runs for gate in gates if (why := gate(run))]
    share = achieved(runs)
    if share < ACHIEVED:
        found.append(f"the generator had sent {share:.1%} of the load in time, not {ACHIEVED:.0%}")
    return list(dict.fromkeys(found))


def workers_reported(run: Run) -> str:
    """Each worker told all of its share."""
    pending = run.evidence.counts()[Fate.PENDING]
    problems = [*run.problems]
    if pending:
        problems.append(f"nothing is known of {pending:,} requests")
    return "; ".join(problems)


def schedule_covered(run: Run) -> str:
    """The run was not stopped."""
    evidence = run.evidence
    unasked = evidence.counts()[Fate.UNASKED]
    if not unasked:
        return ""
    return f"stopped before {unasked:,} of {evidence.requests:,} requests were sent"


def nothing_shed(run: Run) -> str:
    """There was a place for each request."""
    shed = run.evidence.counts()[Fate.SHED]
    if not shed:
        return ""
    return f"the generator shed {shed:,} requests: more than {run.plan.in_flight} were under way"


def load_achieved(run: Run) -> str:
    """What was to be sent was sent while it was to be sent."""
    share = achieved([run])
    if share >= ACHIEVED or nothing_shed(run):
        return ""
    return (
        f"the generator had sent {share:.1%} of the load by the schedule's end, not {ACHIEVED:.0%}"
    )


def achieved(runs: Sequence[Run]) -> float:
    """The share of all requests that was dispatched by the end of the run it belongs to."""
    asked = in_time = 0
    for run in runs:
        evidence = run.evidence
        asked += evidence.requests - evidence.counts()[Fate.UNASKED]
        in_time += evidence.in_time()
    return in_time / max(1, asked)


def within_reach(run: Run) -> str:
    """No worker has to send more than a share of what it reaches."""
    return "" if run.plan.together else beyond_reach(run.calibrations)


def beyond_reach(calibrations: Sequence[Mapping[str, Any]]) -> str:
    """How many workers it takes where these are too few; "" where they are not."""
    beyond = [each for each in calibrations if each["rate"] > REACHED * each["reached"]]
    if not beyond:
        return ""
    worst = min(beyond, key=lambda each: float(each["reached"]))
    needed = math.ceil(sum(each["rate"] for each in calibrations) / (REACHED * worst["reached"]))
    return (
        f"a worker has to send {worst['rate']:,.0f} requests a second, more than {REACHED:.0%} of "
        f"the {worst['reached']:,.0f} that it reaches against a server that does nothing: it takes "
        f"{needed} workers"
    )


def littles_law(run: Run) -> str:
    """The records tell of as many requests under way as were counted."""
    evidence = run.evidence
    told = evidence.stays()
    larger = max(told, run.area)
    if abs(told - run.area) <= max(LITTLE * larger, BESIDE * evidence.requests):
        return ""
    seconds = run.plan.seconds
    return (
        f"Little's law is off: {run.area / seconds:.3g} requests were under way on average, "
        f"{told / seconds:.3g} by their times"
    )


GATES: tuple[Callable[[Run], str], ...] = (
    workers_reported,
    schedule_covered,
    nothing_shed,
    within_reach,
    load_achieved,
    littles_law,
)
"""Each returns what is wrong, or nothing."""
