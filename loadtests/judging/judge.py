"""Whether a run kept its objectives, as far as it can tell."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from servespec.stats.early_stopping import Decision, decide
from servespec.stats.percentiles import Interval
from servespec.target.objective import Measure, Objective
from servespec.verdicts.verdict import Verdict

from .gates import Run, spoilt
from .times import Mean, Times, exact

__all__ = ["Judgement", "judge"]

CONFIDENCE = 0.99


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a run says about one objective.

    Attributes:
        objective: as it is written.
        sentence: what was seen, and what would decide.
        value: what was seen, in the unit of the objective's bound; infinite where too many
            requests were not answered.
        low: where the true value begins, at the confidence of the judgement.
        high: where it ends.
    """

    objective: str
    verdict: Verdict
    sentence: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What an objective is held against.

    Attributes:
        taken: of all requests, infinite for what was not answered.
        answers: right ones a second, for each whole second of the schedule.
    """

    taken: Times
    answers: np.ndarray


@dataclass(frozen=True, slots=True)
class Finding:
    """The same before the generator was looked at; `missing` requests more would decide."""

    verdict: Verdict
    value: float
    within: Interval
    missing: int | None = None


def judge(run: Run, objectives: Sequence[Objective]) -> list[Judgement]:
    """Judge each objective by itself.

    A run that the generator spoilt says nothing. Lateness of the generator makes times longer and
    never shorter, so a PASS stands; a FAIL is one only if the requests miss the objective counted
    from their dispatch as well: it is INVALID where they pass so, INCONCLUSIVE where that is open.
    """
    why = spoilt(run)
    return [_judged(run, objective, why) for objective in objectives]


def _judged(run: Run, objective: Objective, why: Sequence[str]) -> Judgement:
    find, evidence = _FINDERS[objective.measure], run.evidence
    answers = evidence.answers()
    found = find(objective, Seen(evidence.response(), answers))
    verdict, sentence = found.verdict, _sentence(objective, found)
    if why:
        verdict, sentence = Verdict.INVALID, f"{'; '.join(why)}; {sentence}"
    elif verdict is Verdict.FAIL:
        without = find(objective, Seen(evidence.service(), answers))
        if without.verdict is not Verdict.FAIL:
            passes = without.verdict is Verdict.PASS
            verdict = Verdict.INVALID if passes else Verdict.INCONCLUSIVE
            sentence += f"; without the generator's lateness {_sentence(objective, without)}"
    return Judgement(
        str(objective), verdict, sentence, found.value, found.within.low, found.within.high
    )


def _percentile(objective: Objective, seen: Seen) -> Finding:
    """MLPerf's rule: so few were over the bound that the percentile has to be below it."""
    taken = seen.taken
    worth = taken.worth_over(objective.bound)
    decision = _decided(len(taken), taken.over(objective.bound), objective, worth)
    within = taken.within(objective.percent, CONFIDENCE, worth)
    return _found(decision, taken.percentile(objective.percent), within)


def _error_rate(objective: Objective, seen: Seen) -> Finding:
    bad, worth = seen.taken.over(np.inf), seen.taken.worth_infinite()
    decision = _decided(len(seen.taken), bad, objective, worth)
    share = bad[0] / len(seen.taken)
    spread = 2.58 * float(np.sqrt(share * (1 - share) / max(1.0, worth)))
    return _found(decision, share, Interval(max(0.0, share - spread), min(1.0, share + spread)))


def _throughput(objective: Objective, seen: Seen) -> Finding:
    return _mean_found(exact(seen.answers).mean(), objective, above=True)


def _mean(objective: Objective, seen: Seen) -> Finding:
    mean = seen.taken.mean()
    if not np.isfinite(mean.value):
        return Finding(Verdict.FAIL, float("inf"), Interval(float("inf"), float("inf")))
    return _mean_found(mean, objective, above=False)


def _ratio(objective: Objective, seen: Seen) -> Finding:
    """Both percentiles within their intervals at half the doubt each, the ratio at its ends."""
    taken = seen.taken
    confidence = 1 - (1 - CONFIDENCE) / 2
    upper, lower = taken.percentile(objective.percent), taken.percentile(objective.lower)
    worth = taken.worth_over(upper)
    top = taken.within(objective.percent, confidence, worth)
    base = taken.within(objective.lower, confidence, worth)
    low = max(0.0, top.low) / base.high if base.high < np.inf else 0.0
    high = top.high / base.low if base.low > 0 else np.inf
    return _told(upper / lower, Interval(low, high), objective.bound, above=False)


_FINDERS: dict[Measure, Callable[[Objective, Seen], Finding]] = {
    Measure.PERCENTILE: _percentile,
    Measure.ERROR_RATE: _error_rate,
    Measure.THROUGHPUT: _throughput,
    Measure.MEAN: _mean,
    Measure.RATIO: _ratio,
}


def _decided(count: int, over: tuple[int, int], objective: Objective, worth: float) -> Decision:
    """By the most that can be over the bound it is kept, by those that certainly are it is missed.

    The two are the same unless times are kept as histograms.
    """
    assert objective.allowed is not None
    certain, possible = over
    found = decide(count, possible, objective.allowed, CONFIDENCE, worth)
    if certain == possible or not found.missed:
        return found
    return decide(count, certain, objective.allowed, CONFIDENCE, worth)


def _found(decision: Decision, value: float, within: Interval) -> Finding:
    if decision.kept:
        return Finding(Verdict.PASS, value, within)
    if decision.missed:
        return Finding(Verdict.FAIL, value, within)
    return Finding(Verdict.INCONCLUSIVE, value, within, decision.needed)


def _mean_found(mean: Mean, objective: Objective, *, above: bool) -> Finding:
    """By the mean's normal interval, neighbours in time being alike."""
    spread = 2.58 * mean.deviation / np.sqrt(mean.worth)
    within = Interval(mean.value - spread, mean.value + spread)
    return _told(mean.value, within, objective.bound, above=above)


def _told(value: float, within: Interval, bound: float, *, above: bool) -> Finding:
    """By which side of the bound the whole interval lies on."""
    if within.low <= bound <= within.high:
        return Finding(Verdict.INCONCLUSIVE, value, within)
    kept = within.low > bound if above else within.high < bound
    return Finding(Verdict.PASS if kept else Verdict.FAIL, value, within)


def _sentence(objective: Objective, finding: Finding) -> str:
    name, within = str(objective).partition(" ")[0], finding.within
    if np.isfinite(finding.value):
        said = f"{name} is {_value(objective, finding.value)} ({_range(objective, within)})"
    else:
        said = f"{name} has no bound, so many requests were not answered"
        said += f" ({_range(objective, within)})" if np.isfinite(within.low) else ""
    if finding.verdict is not Verdict.INCONCLUSIVE:
        return said
    if finding.missing is None:
        return f"{said}, too close to the bound to tell"
    return f"{said}; needs {finding.missing:,} more requests"


def _range(objective: Objective, within: Interval) -> str:
    """An interval that is open below begins with nothing; one open above may be any longer."""
    low = _value(objective, max(0.0, within.low))
    if not np.isfinite(within.high):
        return f"{low} or more"
    return f"{low} to {_value(objective, within.high)}"


def _value(objective: Objective, value: float) -> str:
    if objective.measure in (Measure.PERCENTILE, Measure.MEAN):
        return f"{value * 1e3:.4g} ms"
    if objective.measure is Measure.ERROR_RATE:
        return f"{value:.3%}"
    return f"{value:.4g}"
