"""Where a request's time went, part by part, against what each part may take.

The parts of a request add up to its response time: what the server tells of itself (in
`Server-Timing` of each answer, else by its counters), what the generator saw around it, and a
residual that nobody accounts for.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from servespec.stats.effective import effective_over, effective_size
from servespec.stats.percentiles import Interval, interval, percentile
from servespec.target.objective import Measure, Objective, ObjectiveError
from servespec.verdicts.verdict import Verdict

from ..sending.records import Fate
from .counted_parts import counted_means, miscounted
from .counters import Counters
from .gates import Run, spoilt
from .judge import Judgement

__all__ = ["PARTS", "Budget", "Limit", "Part", "budget_of", "durations"]

PARTS = ("lag", "network", "queue", "preprocess", "inference", "postprocess", "residual")
"""In the order of a request's life: `lag` is the generator's, `network` all between it and the
server's own clock, `residual` what the server took in none of the parts that it names."""

_CONFIDENCE = 0.99
_Z = 2.576
_TOLD = {"compute": "inference", "infer": "inference"}
_LIMIT = re.compile(r"\s*([a-z]+)\s*((?:p[0-9.]+|mean)\s*)?(<.*)")


@dataclass(frozen=True, slots=True)
class Limit:
    """What a part may take; `str` gives it as it is written.

    Attributes:
        part: one of `PARTS`.
        objective: of its times, a mean or a percentile.
    """

    part: str
    objective: Objective

    @classmethod
    def parse(cls, text: str) -> "Limit":
        """Read such as `inference < 20ms`, which is its mean, or `queue p99 < 5ms`.

        Raises:
            ObjectiveError: it is none.
        """
        match = _LIMIT.fullmatch(text)
        if match is None or match[1] not in PARTS:
            expected = f'one of {", ".join(PARTS)} and a bound: "inference p99 < 20ms"'
            raise ObjectiveError(text, expected, repr(text))
        return cls(match[1], Objective.parse(f"{match[2] or 'mean'} {match[3]}"))

    def __str__(self) -> str:
        return f"{self.part} {self.objective}"


@dataclass(frozen=True, slots=True)
class Part:
    """What one part took; seconds.

    Attributes:
        name: one of `PARTS`, or the server's own name for one.
        mean: over the requests that were asked; the means add up to the response time.
        low: where the true mean begins, with 99 % confidence.
        high: where it ends.
        median: the p50; NaN where the server tells means alone.
        tail: the p99, likewise.
    """

    name: str
    mean: float
    low: float
    high: float
    median: float
    tail: float


@dataclass(frozen=True, slots=True)
class Budget:
    """Where the time of a run went.

    Attributes:
        source: who told.
        requests: how many were asked.
        mean: of their response times, seconds: the sum of the parts' means.
        parts: in the order of a request's life, the residual last.
        judgements: of each limit.
    """

    source: str
    requests: int
    mean: float
    parts: Sequence[Part]
    judgements: Sequence[Judgement]


def durations(header: str) -> Mapping[str, float]:
    """The times that a `Server-Timing` header tells, in seconds; what it does not time is left out.

    https://www.w3.org/TR/server-timing/#the-server-timing-header-field
    """
    found = {}
    for metric in header.split(","):
        name, *parameters = (part.strip() for part in metric.split(";"))
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip().lower() == "dur" and _is_number(value):
                found[name] = float(value.strip('" ')) / 1000
    return found


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[0-9]+(\.[0-9]+)?", text.strip('" ')) is not None


def budget_of(run: Run, limits: Sequence[Limit]) -> Budget | None:
    """Account for the requests whose answers told, else for all by what the server counted.

    None where neither tells, and nothing is limited.
    """
    times = _times(run)
    why = "; ".join(spoilt(run))
    if not times and run.counted and (stretches := run.counted.stretches()):
        return _counted(run, run.counted.source, stretches, limits, why)
    if not times and not limits:
        return None
    if run.tally is not None:
        told = "each is one of too many to be kept, and none is taken apart"
        judgements = [_untestable(limit, told) for limit in limits]
        return Budget("histograms", 0, 0.0, [], judgements)
    asked = len(next(iter(times.values()), ()))
    return Budget(
        source="Server-Timing",
        requests=asked,
        mean=float(sum(taken.mean() for taken in times.values())),
        parts=[_part(name, taken) for name, taken in times.items()],
        judgements=[_judged(limit, times.get(limit.part), why) for limit in limits],
    )


def _counted(
    run: Run, source: str, stretches: Sequence[Counters], limits: Sequence[Limit], why: str
) -> Budget:
    requests = sum(each.requests for each in stretches)
    why = "; ".join(filter(None, (why, miscounted(run, requests))))
    answered = run.records.fate == Fate.ANSWERED
    lag = (run.records.dispatched - run.records.intended)[answered]
    means = counted_means(run, stretches, PARTS, _CONFIDENCE)
    parts = {"lag": _part("lag", lag)}
    for name, each in means.items():
        parts[name] = Part(name, each.seconds, each.low, each.high, np.nan, np.nan)
    judgements = [
        _judged(limit, lag, why)
        if limit.part == "lag"
        else _held(limit, parts.get(limit.part), (source, round(requests)), why)
        for limit in limits
    ]
    mean = sum(part.mean for part in parts.values())
    return Budget(source, round(requests), mean, list(parts.values()), judgements)


def _held(limit: Limit, part: Part | None, told: tuple[str, int], why: str) -> Judgement:
    """A limit of a part of which the server's counters tell the mean."""
    source, requests = told
    if part is None or limit.objective.measure is not Measure.MEAN:
        what = f"how long {limit.part} takes" if part is None else "more than means"
        return _untestable(limit, f"{source} does not tell {what}")
    within = Interval(part.low, part.high)
    return _decided(limit, part.mean, within, requests, why)


def _untestable(limit: Limit, sentence: str) -> Judgement:
    return Judgement(str(limit), Verdict.UNTESTABLE, sentence, np.nan, np.nan, np.nan)


def _times(run: Run) -> Mapping[str, np.ndarray]:
    """By part: seconds of each request that was answered and told, in the order of the schedule."""
    records = run.records
    told = [
        (number, durations(header))
        for number, header in sorted(run.timings.items())
        if records.fate[number] == Fate.ANSWERED
    ]
    told = [(number, parts) for number, parts in told if "total" in parts]
    if not told:
        return {}
    rows = np.array([number for number, _ in told])
    lag = records.dispatched[rows] - records.intended[rows]
    total = np.array([parts["total"] for _, parts in told])
    network = records.done[rows] - records.dispatched[rows] - total
    server = _server_parts([parts for _, parts in told])
    residual = total - sum(server.values(), np.zeros(len(rows)))
    return {"lag": lag, "network": network, **server, "residual": residual}


def _server_parts(told: Sequence[Mapping[str, float]]) -> Mapping[str, np.ndarray]:
    """By part, in the order of `PARTS` and then as they come; 0 where an answer left it out."""
    names = dict.fromkeys(name for parts in told for name in parts if name != "total")
    found = {
        _TOLD.get(name, name): np.array([parts.get(name, 0.0) for parts in told]) for name in names
    }
    known = {name: found[name] for name in PARTS if name in found}
    return {**known, **found}


def _part(name: str, taken: np.ndarray) -> Part:
    within = _mean_within(taken)
    mean, median, tail = float(taken.mean()), percentile(taken, 50), percentile(taken, 99)
    return Part(name, mean, within.low, within.high, median, tail)


def _mean_within(taken: np.ndarray) -> Interval:
    """The mean's normal interval, neighbours in time being alike."""
    if len(taken) < 2:
        return Interval(-np.inf, np.inf)
    mean, spread = float(taken.mean()), float(taken.std(ddof=1) / np.sqrt(effective_size(taken)))
    return Interval(mean - _Z * spread, mean + _Z * spread)


def _judged(limit: Limit, taken: np.ndarray | None, why: str) -> Judgement:
    if taken is None:
        return _untestable(limit, f"the answers do not tell how long {limit.part} takes")
    value, within = _seen(limit.objective, taken)
    return _decided(limit, value, within, len(taken), why)


def _decided(limit: Limit, value: float, within: Interval, requests: int, why: str) -> Judgement:
    verdict = Verdict.INCONCLUSIVE
    if within.high < limit.objective.bound:
        verdict = Verdict.PASS
    elif within.low >= limit.objective.bound:
        verdict = Verdict.FAIL
    sentence = (
        f"{limit.part} is {value * 1e3:.4g} ms "
        f"({within.low * 1e3:.4g} ms to {within.high * 1e3:.4g} ms) in {requests:,} requests"
    )
    if why:
        verdict, sentence = Verdict.INVALID, f"{why}; {sentence}"
    return Judgement(str(limit), verdict, sentence, value, within.low, within.high)


def _seen(objective: Objective, taken: np.ndarray) -> tuple[float, Interval]:
    if objective.measure is Measure.MEAN:
        return float(taken.mean()), _mean_within(taken)
    worth = effective_over(taken, objective.bound)
    within = interval(taken, objective.percent, _CONFIDENCE, worth)
    return percentile(taken, objective.percent), within
