"""What a plan sends is decided beforehand; what it cannot be is told in one line."""

from pathlib import Path

import numpy as np
import pytest

from ..sending.plan import ARRIVALS, CLOSED, Plan, PlanError, shares

PARAMETERS = {"gamma": "2", "ramp": "300", "step": "50,200", "spike": "5", "diurnal": "0.5",
              "multi-stream": "8"}  # fmt: skip
OWN_COUNT = {"ramp": 800, "step": 467, "spike": 560, "replay": 3}
"""How many come where it is not rate times seconds."""

MISTAKES = {
    "tidal": "arrivals: expected one of constant, poisson,",
    "single-stream:8": "arrivals: expected single-stream alone, found 'single-stream:8'",
    "multi-stream": "arrivals: expected multi-stream:REQUESTS of a query",
    "multi-stream:0": "arrivals: multi-stream:0: expected a whole number from 1, found '0'",
    "poisson:2": "arrivals: expected poisson alone, found 'poisson:2'",
    "gamma": "arrivals: expected gamma:VARIATION",
    "gamma:": "arrivals: gamma:: expected a number, found ''",
    "gamma:0": "arrivals: gamma:0: expected a number above 0",
    "ramp:-1": "arrivals: ramp:-1: expected a number from 0",
    "step:1,x": "arrivals: step:1,x: expected a number, found 'x'",
    "spike:inf": "arrivals: spike:inf: expected a number from 0",
    "diurnal:2": "arrivals: diurnal:2: expected a share from 0 to 1",
    "replay:none.csv": "arrivals: replay:none.csv: ",
}


def _plan(name: str, tmp_path: Path, seed: int = 1) -> Plan:
    file = tmp_path / "trace.csv"
    file.write_text("0\n1\n2.5\n")
    parameter = {**PARAMETERS, "replay": str(file)}.get(name)
    return Plan(f"{name}:{parameter}" if parameter else name, 100.0, 4.0, seed)


@pytest.mark.parametrize("name", [name for name in ARRIVALS if name not in CLOSED])
def test_arrivals_are_in_order_within_the_time_and_as_many_as_asked(
    name: str, tmp_path: Path
) -> None:
    offsets = _plan(name, tmp_path).offsets()

    expected = OWN_COUNT.get(name, 400)
    assert abs(len(offsets) - expected) <= 5 * np.sqrt(expected) * (name not in ("replay",))
    assert (np.diff(offsets) >= 0).all()
    assert 0 <= offsets[0] <= offsets[-1] < 4


@pytest.mark.parametrize("name", ARRIVALS)
def test_the_same_seed_gives_the_same_schedule(name: str, tmp_path: Path) -> None:
    first, second = _plan(name, tmp_path), _plan(name, tmp_path)

    assert (first.offsets() == second.offsets()).all()
    other = _plan(name, tmp_path, seed=2)
    assert first.fingerprint(first.offsets()) == second.fingerprint(second.offsets())
    assert first.fingerprint(first.offsets()) != other.fingerprint(other.offsets())


@pytest.mark.parametrize("arrivals", MISTAKES)
def test_a_mistake_in_the_arrivals_is_one_line(arrivals: str) -> None:
    with pytest.raises(PlanError) as told:
        Plan(arrivals).offsets()

    assert MISTAKES[arrivals] in str(told.value)
    assert len(str(told.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("plan", "mistake"),
    [
        (Plan(rate=0), "rate: expected a number above 0, found 0"),
        (Plan(seconds=-1), "seconds: expected a number above 0, found -1"),
        (Plan(rate=float("nan")), "rate: expected a number above 0, found nan"),
        (Plan(rate=1e6, seconds=600), "100,000,000 requests at most, found 600,000,000"),
        (Plan("multi-stream:8", in_flight=7), "in_flight: expected 8 at least, as so many"),
        (Plan("constant", rate=0.1, seconds=1), "one request at least, found none"),
    ],
)
def test_a_plan_that_nothing_can_send_is_one_line(plan: Plan, mistake: str) -> None:
    with pytest.raises(PlanError, match=mistake):
        plan.offsets()


def test_more_than_one_process_has_rows_for_says_how_many_it_takes() -> None:
    plan = Plan(rate=2000, seconds=6000)

    plan.must_be_shared(3)
    with pytest.raises(PlanError, match="found 12,000,000 in 2: it takes --processes 3"):
        plan.must_be_shared(2)


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_the_workers_shares_are_the_whole_schedule_and_nothing_twice(workers: int) -> None:
    offsets = Plan().offsets()
    parts = [shares(offsets, worker, workers) for worker in range(workers)]

    assert sorted(np.concatenate(parts)) == list(range(len(offsets)))
