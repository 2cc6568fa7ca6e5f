"""Whether a server has become slower: old and new asked in turn, compared block by block.

`python -m loadtests.comparing.regression --old http://127.0.0.1:8000 --new http://127.0.0.1:8001`
"""

import argparse
import hashlib
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from servespec.stats.compare import Comparison, compare_percentiles
from servespec.stats.percentiles import percentile
from servespec.verdicts.verdict import Verdict

from ..commands import Parser, add_plan_options, begin, conclude, planned
from ..judging.gates import Run, spoilt_blocks
from ..judging.report import finite
from ..sending.plan import Plan
from ..sending.template import template_of
from .baseline import Baseline, Fingerprint
from .rounds import PERCENTS, Discarded, Rounds, interleaved, settled

__all__ = ["Change", "RegressionReport", "Rule", "compared", "interleaved", "rendered", "report_of"]

FEWEST_ROUNDS = 10
"""Below it the bootstrap cannot be as sure as alpha 0.01 asks for in three percentiles."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What counts as slower.

    Attributes:
        margin: the ratio that is still as good as none.
        alpha: the share of false alarms that is accepted, over all percentiles.
    """

    margin: float
    alpha: float


@dataclass(frozen=True, slots=True)
class Change:
    """One percentile, then and now; seconds.

    Attributes:
        percent: such as 99.
        old: what the old one took.
        new: what the new one took.
        comparison: the ratio of new to old.
        verdict: FAIL where the new one is slower than the margin allows, PASS where it is not,
            INVALID where the old one did not answer so many that there is nothing to compare with.
        missing: how many more rounds would decide; None where it is decided, or nobody can say.
    """

    percent: float
    old: float
    new: float
    comparison: Comparison
    verdict: Verdict
    missing: int | None


@dataclass(frozen=True, slots=True)
class RegressionReport:
    """Whether the new one is slower.

    Attributes:
        old: its address.
        new: its address.
        plan: of a block.
        rounds: how often both were asked.
        rule: what counts as slower.
        changes: of each percentile.
        spoilt: why the comparison says nothing; empty where it does.
        calibration: what the generator takes by itself.
        caveat: what makes it weaker than it looks; "" where nothing does.
        discarded: rounds that the generator spoilt and that were measured again.
    """

    old: str
    new: str
    plan: Mapping[str, Any]
    rounds: int
    rule: Rule
    changes: Sequence[Change]
    spoilt: Sequence[str]
    calibration: Mapping[str, Any]
    caveat: str = ""
    discarded: Sequence[Discarded] = ()

    @property
    def verdict(self) -> Verdict:
        """FAIL if any percentile is slower, PASS only if none can be."""
        if self.spoilt:
            return Verdict.INVALID
        return Verdict.worst(change.verdict for change in self.changes)

    def to_json(self) -> dict[str, Any]:
        """As plain values; null stands for what is infinite."""
        values: dict[str, Any] = finite({**asdict(self), "verdict": self.verdict})
        return values


def compared(old: Sequence[np.ndarray], new: Sequence[np.ndarray], rule: Rule) -> Sequence[Change]:
    """Compare the percentiles of blocks of response times in seconds.

    To be slower takes one percentile, which is therefore held to its part of alpha (Bonferroni); to
    be as fast takes all of them, each with the whole of it.

    Raises:
        ValueError: there are too few blocks, or not as many of one as of the other.
    """
    return [_change(old, new, percent, rule) for percent in PERCENTS]


def _change(
    old: Sequence[np.ndarray], new: Sequence[np.ndarray], percent: float, rule: Rule
) -> Change:
    comparison = compare_percentiles(old, new, percent, alpha=rule.alpha, margin=rule.margin)
    verdict, missing = Verdict.INCONCLUSIVE, None
    before, after = (percentile(np.concatenate(blocks), percent) for blocks in (old, new))
    if before == math.inf:
        verdict = Verdict.INVALID  # nobody is slower than what does not answer
    elif comparison.slower < rule.alpha / len(PERCENTS):
        verdict = Verdict.FAIL
    elif comparison.interval.high <= rule.margin:
        verdict = Verdict.PASS
    else:
        missing = _missing(comparison, len(old), rule.margin)
    return Change(percent, before, after, comparison, verdict, missing)


def _missing(comparison: Comparison, rounds: int, margin: float) -> int | None:
    """How many more rounds leave the margin outside of an interval that shrinks with their root."""
    low, seen, high = comparison.interval.low, comparison.ratio, comparison.interval.high
    if not (low > 0 and high < math.inf) or seen == margin:
        return None
    away = abs(math.log(margin / seen))
    wide = math.log(high / seen) if seen < margin else math.log(seen / low)
    return max(1, math.ceil(rounds * ((wide / away) ** 2 - 1)))


def rendered(report: RegressionReport) -> str:
    """The percentiles as a table, and the verdict."""
    lines = [f"{report.rounds} rounds, old {report.old}, new {report.new}"]
    for change in report.changes:
        within = change.comparison.interval
        more = f"; needs {change.missing:,} more rounds" if change.missing else ""
        lines.append(
            f"{change.verdict:12} p{change.percent:g}: {change.old * 1e3:.4g} ms, then "
            f"{change.new * 1e3:.4g} ms: x{change.comparison.ratio:.3f} "
            f"({within.low:.3f} to {within.high:.3f}){more}"
        )
    lines += [
        f"round {each.number} was measured again: {'; '.join(each.spoilt)}"
        for each in report.discarded
    ]
    lines += [f"INVALID: {why}" for why in report.spoilt]
    lines.append(_calibrated(report.calibration))
    lines += [f"note: {report.caveat}"] if report.caveat else []
    told = {Verdict.PASS: "not slower", Verdict.FAIL: "slower"}.get(report.verdict, "not known")
    lines.append(f"{report.verdict} {told} (margin x{report.rule.margin:g})")
    return "\n".join(lines) + "\n"


def _calibrated(told: Mapping[str, Any]) -> str:
    bare, lag, response = (
        ", ".join(f"{seconds * 1e3:.3g}" for seconds in told[name])
        for name in ("bare", "lag", "response")
    )
    return (
        f"at {told['rate']:g}/s a bare loop is late by {bare} ms, the generator by {lag} ms; a "
        f"server that does nothing answers in {response} ms (p50, p99, p99.9)"
    )


def fingerprint_of(plan: Plan) -> Fingerprint:
    """That of this machine with blocks of this plan."""
    digest = hashlib.sha256(f"{asdict(plan)} {plan.fingerprint(plan.offsets())}".encode())
    return Fingerprint.here(digest.hexdigest()[:16])


def report_of(
    names: tuple[str, str],
    rounds: Rounds,
    rule: Rule,
    calibration: Mapping[str, Any],
) -> RegressionReport:
    """Compare what was measured in turn: of the old one, then of the new one."""
    runs: Sequence[Run] = [run for blocks in rounds.blocks for run in blocks]
    old, new = ([settled(run) for run in blocks] for blocks in rounds.blocks)
    return RegressionReport(
        *names,
        plan=asdict(runs[0].plan),
        rounds=len(old),
        rule=rule,
        changes=compared(old, new, rule),
        spoilt=spoilt_blocks(runs),
        calibration=calibration,
        discarded=rounds.discarded,
    )


def against(
    baseline: Baseline, name: str, measured: Rounds, rule: Rule, calibration: Mapping[str, Any]
) -> RegressionReport:
    """Compare with a stored baseline, which was measured at another time.

    That of another machine or plan is shown, and no verdict comes of it.
    """
    (new,) = measured.blocks[-1:]
    plan = new[0].plan
    differences = fingerprint_of(plan).differences(baseline.fingerprint)
    old = baseline.samples()
    if len(old) != len(new):
        differences.append(f"{len(old)} rounds, not {len(new)}")
    rounds = min(len(old), len(new))
    refused = [f"the baseline has {difference}" for difference in differences]
    return RegressionReport(
        old=baseline.address,
        new=name,
        plan=asdict(plan),
        rounds=rounds,
        rule=rule,
        changes=compared(old[:rounds], [settled(run) for run in new][:rounds], rule),
        spoilt=[*refused, *spoilt_blocks(new)],
        calibration=calibration,
        caveat="indicative: the baseline was measured at another time, not in turn",
        discarded=measured.discarded,
    )


def measured(given: argparse.Namespace) -> RegressionReport | None:
    """Compare as the options say; None where the new one was only to be stored."""
    from .blocks import calibrated, drive, endpoint_of, warm_up

    plan, rule = planned(given), Rule(given.margin, given.alpha)
    baseline = Baseline.read(given.baseline) if given.baseline else None
    names = [given.old, given.new] if given.old else [given.new]
    template = template_of(plan)
    endpoints = [endpoint_of(name, plan.plane, template) for name in names]
    for endpoint in endpoints:
        warm_up(plan, endpoint)
    calibration = calibrated(plan, endpoints[-1]).to_dict()
    drives = [partial(drive, endpoint=endpoint) for endpoint in endpoints]
    rounds = interleaved(plan, given.rounds, drives)
    new = rounds.blocks[-1]
    if given.store:
        blocks = [settled(run) for run in new]
        Baseline.of(given.new, fingerprint_of(new[0].plan), blocks).write(given.store)
        sys.stdout.write(f"stored in {given.store}\n")
    if baseline is not None:
        return against(baseline, given.new, rounds, rule, calibration)
    return report_of((given.old, given.new), rounds, rule, calibration) if given.old else None


def _parser() -> argparse.ArgumentParser:
    parser = Parser("servespec regression", description=__doc__.partition("\n")[0])
    add_plan_options(parser, rate=100.0, seconds=5.0)
    add = parser.add_argument
    then = parser.add_mutually_exclusive_group()
    then.add_argument("--old", metavar="URL|FILE", help="the server as it was")
    then.add_argument("--baseline", type=Path, metavar="FILE", help="what was stored of it")
    add("--new", required=True, metavar="URL|FILE", help="the server as it is")
    add("--store", type=Path, metavar="FILE", help="where to store what the new one took")
    add("--rounds", type=int, default=12, metavar="N", help="how often each is asked")
    add("--margin", type=float, default=1.05, metavar="X", help="a ratio as good as none")
    add("--alpha", type=float, default=0.01, metavar="SHARE", help="of false alarms")
    return parser


def _given() -> argparse.Namespace:
    """What was asked for; it can be done."""
    parser = _parser()
    given = parser.parse_args()
    if not (given.old or given.baseline or given.store):
        parser.error("expected --old or --baseline to compare with, or --store")
    if given.rounds < FEWEST_ROUNDS and not given.store:
        parser.error(f"--rounds: expected {FEWEST_ROUNDS} at least, found {given.rounds}")
    return given


def main(given: argparse.Namespace) -> int:
    """Compare, tell, and return 0 for PASS, 1 for any other verdict, 2 for what cannot be done."""
    return conclude(given, measured, rendered)


if __name__ == "__main__":
    assert __spec__ is not None
    raise SystemExit(begin(__spec__.name, _given(), ["old", "new"], main))
