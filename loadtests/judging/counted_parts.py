"""The parts of a budget by a server's own counters: means of all requests, and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from servespec.stats.distributions import student_quantile

from ..sending.records import Fate
from .counters import TOTAL, Counters
from .gates import Run

__all__ = ["Mean", "counted_means", "miscounted"]

_SAME = 0.01
"""The share by which the server may have counted more or fewer requests than were answered."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean in seconds, and where the true one lies."""

    seconds: float
    low: float
    high: float


def miscounted(run: Run, requests: float) -> str:
    """Why the server's counters are not of this run's requests; empty where they are."""
    answered = len(_stays(run))
    if abs(requests - answered) <= _SAME * answered:
        return ""
    return f"the server counted {requests:,.0f} requests, and {answered:,} were answered here"


def counted_means(
    run: Run, stretches: Sequence[Counters], order: Sequence[str], confidence: float
) -> Mapping[str, Mean]:
    """The mean of each part: those of the server in this order, `network` and `residual`.

    A part's mean is its seconds by the requests, and its error that of such a ratio over stretches
    of time (Cochran, Sampling Techniques, 6.4), in which neighbours in time are together.
    `network` is what the generator saw beside the server's whole time.
    """
    counts = np.array([each.requests for each in stretches])
    names = [name for name in order if name in stretches[0].seconds]
    parts = {name: np.array([each.seconds.get(name, 0.0) for each in stretches]) for name in names}
    total = np.array([each.seconds[TOTAL] for each in stretches])
    known = sum(parts.values(), np.zeros(len(total)))
    sure = (1 + confidence) / 2
    within = {name: _ratio(taken, counts, sure) for name, taken in parts.items()}
    server, residual = _ratio(total, counts, sure), _ratio(total - known, counts, sure)
    stays = float(_stays(run).mean())
    network = Mean(stays - server.seconds, stays - server.high, stays - server.low)
    return {"network": network, **within, "residual": residual}


def _stays(run: Run) -> np.ndarray:
    """From the dispatch to the answer, of what was answered."""
    records = run.records
    answered = records.fate == Fate.ANSWERED
    return np.asarray((records.done - records.dispatched)[answered])


def _ratio(taken: np.ndarray, counts: np.ndarray, sure: float) -> Mean:
    stretches, requests = len(counts), float(counts.sum())
    mean = float(taken.sum()) / requests
    if stretches < 2:
        return Mean(mean, -np.inf, np.inf)
    rest = taken - mean * counts
    error = float(np.sqrt(stretches / (stretches - 1) * (rest @ rest))) / requests
    spread = student_quantile(sure, stretches - 1) * error
    return Mean(mean, mean - spread, mean + spread)
