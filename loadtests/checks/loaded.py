"""Load tests of a server at a rate that is told from what it can do."""

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from servespec.loading import LoadResult, LoadTest
from servespec.session import NotRun
from servespec.target.evidence import Evidence, Statistic
from servespec.target.exchange import Exchange
from servespec.target.outcomes import Inconclusive, Invalid, Nonconformance
from servespec.target.target import Target
from servespec.target.traffic import Question, drive
from servespec.wire.messages import InferRequest

from ..judging.judge import CONFIDENCE
from ..sending.workloads import computing
from .machine import Company, company

__all__ = [
    "MODEL",
    "WORK",
    "computing_of",
    "must_keep",
    "needs_the_extra",
    "rate_of",
    "run",
    "seconds_of",
]

MODEL = "coalesced"
"""Computes for as long as it is told, one row at a time, and is never held back for company."""
WORK = "work"
"""Its workload: some 5 ms of one core."""
SHARE, SECONDS = 0.5, 30.0
COUNTED, CALLERS = 120, (6, 2)
"""Requests by which the capacity is measured, and how many of them at once: none is refused."""
PATIENCE = 20.0
ATTEMPTS = 4
"""Of a run that the generator spoils."""
LONGEST = 4
"""How many times as long a run may be, so that it can tell."""
_OUTCOMES = {"INVALID": Invalid, "INCONCLUSIVE": Inconclusive}


def needs_the_extra() -> None:
    """The load tests' own packages are there.

    Raises:
        NotRun: they are not.
    """
    if find_spec("locust") is None:
        raise NotRun("needs the package locust: pip install 'servespec[load]'")


def seconds_of(target: Target) -> float:
    """How long a load lasts."""
    return float(target.claim("load", "seconds", SECONDS))


def rate_of(target: Target) -> float:
    """The claimed share of the capacity as it is now, requests a second."""
    capacity = max(_answers_a_second(target, callers) for callers in CALLERS)
    target.record("capacity, answers a second", f"{capacity:.0f}")
    return capacity * float(target.claim("load", "share", SHARE))


def _answers_a_second(target: Target, callers: int) -> float:
    """Of so many who ask again when they are answered."""
    schedule, asked = [0.0] * COUNTED, computing_of(target)
    ledger = drive(target.rest, schedule, asked, connections=callers, timeout=PATIENCE)
    return ledger.answers_a_second(callers)


def computing_of(target: Target, times: float = 1.0) -> Callable[[int], Question]:
    """The requests of the workload, or of so many times the work, one after the other and anew."""
    asked = [each.request for each in computing(times, np.random.default_rng(1)).questions]

    def question(number: int) -> Question:
        body = _json(asked[number % len(asked)])
        return Question(str(number), target.rest.message(MODEL, body), _accept)

    return question


def _json(request: InferRequest) -> Mapping[str, Any]:
    (tensor,) = request.inputs
    shape, data = list(tensor.array.shape), tensor.array.ravel().tolist()
    entry = {"name": tensor.name, "datatype": tensor.datatype, "shape": shape, "data": data}
    return {"inputs": [entry]}


def _accept(_exchange: Exchange) -> None:
    """Whose answer it is, is judged elsewhere."""


def run(
    target: Target, load_test: LoadTest, rate: float, seconds: float, slo: Sequence[str] = ()
) -> LoadResult:
    """Load the server in an open loop; what comes of it is evidence of the check."""
    result = load_test("tail", slo, seconds, rate=round(rate, 3), workload=WORK)
    said = f"{rate:.4g} requests a second for {seconds:g} s: {result.verdict}"
    target.note(Evidence(said, "", result.text, result.command))
    return result


def must_keep(target: Target, load_test: LoadTest, rate: float, slo: Sequence[str]) -> None:
    """FAIL unless the objectives are kept.

    A run of too few requests is made again, twice as long; one that the generator spoils is made
    again up to three times. So is a miss while others took the server's machine: it says nothing
    of the server alone, which a pass does. All of them are in the report.

    Raises:
        Inconclusive: the longest run cannot tell.
        Invalid: each run is spoilt.
    """
    seconds, spoilt = seconds_of(target), 0
    longest = LONGEST * seconds
    while True:
        with company(target) as others:
            result = run(target, load_test, rate, seconds, slo)
        verdict, sentence = _verdict(result, others)
        target.record(f"{seconds:g} s" + f", again {spoilt}" * bool(spoilt), sentence)
        if verdict == "INVALID" and spoilt < ATTEMPTS - 1:
            spoilt += 1
        elif verdict == "INCONCLUSIVE" and seconds < longest:
            seconds *= 2
        else:
            break
    for each in result.report["judgements"]:
        target.measured(_statistic(each, result.report["summary"]["requests"]))
    if verdict != "PASS":
        raise _OUTCOMES.get(verdict, Nonconformance)(sentence)


def _verdict(result: LoadResult, others: Company) -> tuple[str, str]:
    sentence = "; ".join(each["sentence"] for each in result.report["judgements"])
    if result.verdict == "PASS" or not others.complaint:
        return result.verdict, sentence
    return "INVALID", f"{others.complaint} meanwhile; {sentence}"


def _statistic(judgement: Mapping[str, Any], count: int) -> Statistic:
    """An objective's own number; times are seconds."""
    name = judgement["objective"].partition(" ")[0]
    unit = "" if "/" in name else "s"
    value, low, high = (judgement[end] for end in ("value", "low", "high"))
    return Statistic(name, unit, value, low, high, count, CONFIDENCE)
