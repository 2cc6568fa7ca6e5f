"""A rolling restart under steady load: a deployment must not cost a single request."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from servespec.fixtures import build
from servespec.target.exchange import Exchange
from servespec.target.manifest import Manifest
from servespec.target.target import Target
from servespec.target.traffic import Ledger, Outcome, Question, constant, driving

from .fleet import Fleet, fleet

RATE = 200.0
SECONDS = 60.0
REPLICAS = 2
LEAD = 5.0
"""Seconds of undisturbed traffic before each replica's signal."""


@pytest.fixture
def replicas(manifest: Manifest, tmp_path: Path) -> Iterator[Fleet]:
    """Two replicas behind a proxy that asks each once and follows their readiness."""
    build(tmp_path / "models", ["row_sum"])
    with fleet(manifest, tmp_path / "models", tmp_path, size=REPLICAS) as started:
        yield started


@pytest.mark.timeout(240)
def test_a_rolling_restart_loses_no_request(replicas: Fleet) -> None:
    """Every id is answered once, and right, while each replica is replaced in turn."""
    schedule = constant(RATE, SECONDS)

    with (
        closing(Target.at(replicas.url)) as target,
        driving(target.rest, schedule, lambda number: question(target, number)) as traffic,
    ):
        codes = [restarted(replicas, index) for index in range(REPLICAS)]
        ended = time.monotonic()

    assert codes == [0] * REPLICAS, f"after SIGTERM the exit codes were {codes}"
    assert ended < traffic.ledger.started + SECONDS, "the load ended before the restarts did"
    must_be_answered_once(traffic.ledger)


def restarted(replicas: Fleet, index: int) -> int:
    """The exit code of a replica that is replaced after a while of steady traffic."""
    time.sleep(LEAD)
    return replicas.restart(index)


def question(target: Target, number: int) -> Question:
    """Asks for 1 x number + 2 x 7, on a connection of its own: a reload of nginx ends kept ones."""
    x = {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [number, 7]}
    body = {"id": str(number), "inputs": [x]}
    message = target.rest.message("row_sum", body, headers={"Connection": "close"})

    def accept(exchange: Exchange) -> str | None:
        came = exchange.values("y"), exchange.answer("id")
        return None if came == ([number + 14], str(number)) else f"{number} was answered {came}"

    return Question(str(number), message, accept)


def must_be_answered_once(ledger: Ledger) -> None:
    """FAIL unless each request got its one right answer."""
    counts = {outcome.value: count for outcome, count in ledger.counts().items() if count}
    wrong = next((row for row in ledger.rows if row.outcome is not Outcome.ANSWERED), None)
    first = f"; the first: {wrong.id} at {wrong.intended:.2f} s: {wrong.detail}" if wrong else ""
    assert wrong is None, f"{counts}{first}"
    assert len({row.id for row in ledger.rows}) == round(RATE * SECONDS)
