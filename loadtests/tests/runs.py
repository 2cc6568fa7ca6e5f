"""Runs made by hand, for what judges them."""

import numpy as np

from ..judging.gates import Run
from ..sending.plan import Plan
from ..sending.records import Fate, Records

__all__ = ["run_of"]

RATE, TICKS = 512.0, 8192.0
"""Requests and ticks of the clock a second, powers of two: equal times stay equal in sums."""


def run_of(taken: np.ndarray, *, late: float | np.ndarray = 0.0) -> Run:
    """A run whose requests came evenly, were answered after `taken` seconds from their dispatch.

    Args:
        taken: seconds; infinite: the answer was an error.
        late: of the generator, seconds.
    """
    taken, late = (np.round(np.asarray(each) * TICKS) / TICKS for each in (taken, late))
    records = Records.planned(np.arange(len(taken)) / RATE)
    records.dispatched[:] = records.intended + late
    records.sent[:] = records.dispatched
    records.done[:] = records.dispatched + np.where(np.isfinite(taken), taken, 0.001)
    records.first[:] = records.done
    records.status[:] = np.where(np.isfinite(taken), 200, 500)
    records.fate[:] = np.where(np.isfinite(taken), Fate.ANSWERED, Fate.FAILED)
    area = float((records.done - records.dispatched).sum())
    plan = Plan("constant", RATE, len(taken) / RATE)
    return Run(plan, records, problems=[], area=area, calibrations=[], cpu_seconds=0.1)
