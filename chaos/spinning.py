"""Requests that compute for a chosen time, and how their own answers are known."""

from collections.abc import Sequence
from typing import Any

from servespec.target.exchange import Exchange
from servespec.target.target import Target
from servespec.target.traffic import Question

__all__ = ["iterations_for", "spinning"]

CALIBRATION = 200  # iterations, some 20 ms
CALIBRATIONS = 9


def iterations_for(target: Target, fixture: str, seconds: float) -> int:
    """The iterations that take so long. The shortest of some times is what nothing disturbed."""
    body = _body([CALIBRATION])
    asked = [target.rest.infer(fixture, body).must_succeed().seconds for _ in range(CALIBRATIONS)]
    return round(CALIBRATION * seconds / min(asked))


def spinning(
    target: Target, fixture: str, number: int, rows: Sequence[int], **members: object
) -> Question:
    """Request `number`: the longest of its rows decides how long it takes."""
    due = [*rows]

    def accept(exchange: Exchange) -> str | None:
        came = exchange.values("y")
        return None if came == due else f"{due} was answered {came}"

    message = target.rest.message(fixture, {**_body(due), **members})
    return Question(str(number), message, accept)


def _body(rows: Sequence[int]) -> dict[str, Any]:
    x = {"name": "iterations", "datatype": "INT64", "shape": [len(rows), 1], "data": rows}
    return {"inputs": [x]}
