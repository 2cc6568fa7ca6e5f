"""A run in the terminal: how it goes, and what came of it."""

from collections.abc import Sequence

import numpy as np

from servespec.verdicts.verdict import Verdict

from ..distributed.master import Master
from ..judging.budget import Budget, Part
from ..judging.report import LoadReport
from ..judging.scenario import Scenario
from ..judging.summary import Summary
from .wording import range_text, seconds_text

__all__ = ["progress", "rendered"]

_BAR = 24


def progress(master: Master) -> str:
    """One line of a run that goes on."""
    plan = master.plan
    if master.elapsed < 0:
        return "encoding the requests, measuring the generator"
    share = min(1.0, master.elapsed / plan.seconds)
    bar = ("#" * round(share * _BAR)).ljust(_BAR, ".")
    settled = master.run().evidence.settled()
    answered = len(settled.finite())
    others = len(settled) - answered
    tail = settled.percentile(99) if others + answered else np.inf
    under_way = sum(master.under_way.values())
    return (
        f"[{bar}] {min(master.elapsed, plan.seconds):.0f} of {plan.seconds:g} s, "
        f"{answered:,} answered, {others:,} not, {under_way} under way, "
        f"p99 {seconds_text(tail)}"
    )


def rendered(report: LoadReport) -> str:
    """All that a reader of a terminal needs to see."""
    summary, plan = report.summary, report.plan
    when = f" at {summary.offered:.1f}/s for {plan['seconds']:g} s"
    when = ", all at once," if plan["arrivals"] == "offline" else when
    fates = ", ".join(f"{count:,} {name}" for name, count in summary.fates.items())
    lines = [
        f"{plan['arrivals']}{when} over "
        f"{plan['plane']}, {plan['workload']}, to {report.address} "
        f"({'CLOSED LOOP' if report.scenario else 'open loop'})",
        f"{fates}; {summary.achieved:.1f} right answers a second",
        "",
        *_table(summary),
        "",
        *_scenario(report.scenario),
        *_budget(report.budget),
        *_calibrated(report),
        *(f"INVALID: {why}" for why in report.spoilt),
        *(f"{each.verdict:12} {each.objective}: {each.sentence}" for each in report.judgements),
    ]
    if report.verdict is Verdict.NOT_RUN:
        lines.append("no objective was given: nothing is judged (--slo 'p99 < 100ms')")
    return "\n".join(lines) + "\n"


def _scenario(scenario: Scenario | None) -> Sequence[str]:
    """What MLPerf reports of a closed loop."""
    if scenario is None:
        return []
    of = f"p{scenario.percent:g} of {scenario.queries:,} queries"
    of += f" of {scenario.together} requests" if scenario.together > 1 else ""
    proven = f"{seconds_text(scenario.proven)} at most (MLPerf's early stopping, 99 %)"
    if scenario.missing:
        proven = f"early stopping proves nothing before {scenario.missing:,} more"
    return [f"CLOSED LOOP {scenario.name}: {of} is {seconds_text(scenario.seen)}, {proven}", ""]


def _table(summary: Summary) -> Sequence[str]:
    rows = [("", "all requests", "95 % within", "answered alone", "generator's lag")]
    for line, lag in zip(summary.lines, summary.lags, strict=False):
        within = range_text(line.low, line.high)
        seconds, answered, late = map(seconds_text, (line.seconds, line.answered, lag))
        rows.append((f"p{line.percent:g}", seconds, within, answered, late))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return ["  ".join(map(str.rjust, row, widths)) for row in rows]


def _budget(budget: Budget | None) -> Sequence[str]:
    """Where the time went: a line for each part, and then what it was to take."""
    if budget is None:
        return []
    told = f"by {budget.source} of {budget.requests:,} answers"
    lines = [f"where {seconds_text(budget.mean)} on average went ({told})"]
    lines += [
        f"{part.name:>12}  {seconds_text(part.mean):>8} on average{_spread(part)}"
        for part in budget.parts
    ]
    judged = (f"{each.verdict:12} {each.objective}: {each.sentence}" for each in budget.judgements)
    return [*lines, *judged, ""]


def _spread(part: Part) -> str:
    """Two percentiles, where more than the mean is known."""
    if np.isnan(part.median):
        return ""
    return f", p50 {seconds_text(part.median)}, p99 {seconds_text(part.tail)}"


def _calibrated(report: LoadReport) -> Sequence[str]:
    """What the generator takes by itself: nothing below it can be seen."""
    return [
        f"worker {number}: at {each['rate']:.0f}/s a bare loop is late by "
        f"{_times(each['bare'])}, the generator by {_times(each['lag'])}; a server that does "
        f"nothing answers in {_times(each['response'])} (p50, p99, p99.9), and it reaches "
        f"{each['reached']:,.0f}/s"
        for number, each in enumerate(report.calibrations)
    ] + [f"the generator took {report.cpu_microseconds:.0f} us of CPU a request"]


def _times(seconds: Sequence[float]) -> str:
    return ", ".join(map(seconds_text, seconds))


def exit_code(verdict: Verdict) -> int:
    """0 for what holds or is not judged, 1 for what does not or cannot be told."""
    return 0 if verdict in (Verdict.PASS, Verdict.NOT_RUN) else 1
