"""Each gate fires when its fault is planted, and at no healthy run."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ..judging.gates import GATES, Run, spoilt
from ..sending.records import Fate
from .runs import run_of


def _lost_a_worker(run: Run) -> Run:
    return replace(run, problems=["worker 1 was lost before its last report"])


def _lost_rows(run: Run) -> Run:
    run.records.fate[1::2] = Fate.PENDING
    return run


def _stopped(run: Run) -> Run:
    for column in (run.records.dispatched, run.records.done):
        column[600:] = np.nan
    run.records.fate[600:] = Fate.UNASKED
    return replace(run, area=run.area * 0.6)


def _shed(run: Run) -> Run:
    run.records.fate[500] = Fate.SHED
    return run


def _beyond_reach(run: Run) -> Run:
    return replace(run, calibrations=[{"rate": 512.0, "reached": 400.0}] * 2)


def _sent_late(run: Run) -> Run:
    run.records.dispatched[-15:] += 1.0
    run.records.done[-15:] += 1.0
    return run


def _counted_otherwise(run: Run) -> Run:
    return replace(run, area=run.area * 1.06)


FAULTS: dict[str, tuple[Callable[[Run], Run], str]] = {
    "a worker was lost": (_lost_a_worker, "worker 1 was lost before its last report"),
    "rows are missing": (_lost_rows, "nothing is known of 500 requests"),
    "stopped": (_stopped, "stopped before 400 of 1,000 requests were sent"),
    "shed": (_shed, "the generator shed 1 requests"),
    "beyond reach": (
        _beyond_reach,
        "has to send 512 requests a second, more than 70% of the 400 that it reaches against a "
        "server that does nothing: it takes 4 workers",
    ),
    "load not achieved": (_sent_late, "had sent 98.5% of the load by the schedule's end"),
    "Little's law": (_counted_otherwise, "Little's law is off"),
}


def _healthy() -> Run:
    return run_of(np.full(1000, 0.020))


def test_a_healthy_run_passes_every_gate() -> None:
    assert spoilt(_healthy()) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_fires_one_gate(fault: str) -> None:
    plant, sentence = FAULTS[fault]
    said = spoilt(plant(_healthy()))

    assert len(said) == 1
    assert sentence in said[0]


def test_every_gate_has_a_fault_that_makes_it_fire() -> None:
    fired = {gate for plant, _ in FAULTS.values() for gate in GATES if gate(plant(_healthy()))}

    assert fired == set(GATES)


def test_a_load_that_is_achieved_by_99_percent_is_enough() -> None:
    run = _healthy()
    run.records.dispatched[-10:] += 1.0
    run.records.done[-10:] += 1.0

    assert spoilt(run) == []
