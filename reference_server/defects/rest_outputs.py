"""Misbehaviours in the outputs of a REST inference: which, in which order, of which form."""

import asyncio
from collections.abc import Callable
from typing import Any

from ..http import Handler, HttpRequest, HttpResponse
from .json_bodies import (
    JsonObject,
    answer_defect,
    inputs_of,
    json_object,
    question_defect,
    with_json,
)
from .registry import rest_defect

SUM = {"name": "sum"}
DIFFERENCE = {"name": "difference"}

_in_flight: dict[object, Any] = {}


@question_defect("outputs-ignored", breaks=["OIP-REST-INFER-016"])
def _(asked: JsonObject) -> JsonObject:
    """Computes both results where one is requested."""
    return (
        {**asked, "outputs": [SUM, DIFFERENCE]}
        if _outputs(asked) in ([SUM], [DIFFERENCE])
        else asked
    )


@question_defect("outputs-first-by-default", breaks=["OIP-REST-INFER-017"])
def _(asked: JsonObject) -> JsonObject:
    """Returns one result of five rows unless more are requested."""
    tall = [each.get("shape") for each in inputs_of(asked)] == [[5, 1], [5, 1]]
    return {**asked, "outputs": [SUM]} if tall and "outputs" not in asked else asked


@question_defect("outputs-empty-is-one", breaks=["OIP-REST-INFER-018"])
def _(asked: JsonObject) -> JsonObject:
    """Takes an empty list of outputs for a wish for the first."""
    return {**asked, "outputs": [SUM]} if _outputs(asked) == [] else asked


@answer_defect("outputs-in-model-order", breaks=["OIP-REST-INFER-019"])
def _(_asked: JsonObject, answer: JsonObject) -> JsonObject:
    """Puts the sum before the difference, whatever was requested."""
    if [output["name"] for output in answer["outputs"]] != ["difference", "sum"]:
        return answer
    return {**answer, "outputs": answer["outputs"][::-1]}


@question_defect("output-unknown-ignored", breaks=["OIP-REST-INFER-020"])
def _(asked: JsonObject) -> JsonObject:
    """Takes a request for one output that does not exist for one of all."""
    return {**asked, "outputs": []} if _outputs(asked) == [{"name": "nope"}] else asked


@rest_defect("outputs-of-neighbours", breaks=["OIP-REST-INFER-021"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Returns to all who ask at the same time what the first of them requested."""
    asked = json_object(request)
    if _outputs(asked) not in ([SUM], [DIFFERENCE]):
        return await answer(request)
    caller = object()
    _in_flight[caller] = asked["outputs"]
    try:
        await asyncio.sleep(0.02)
        first = next(iter(_in_flight.values()))
        return await answer(with_json(request, {**asked, "outputs": first}))
    finally:
        del _in_flight[caller]


@answer_defect("shape-of-floats", breaks=["OIP-REST-INFER-022"])
def _(_asked: JsonObject, answer: JsonObject) -> JsonObject:
    """Writes the shape [2, 5] as [2.0, 5.0]."""
    return _with_outputs(
        answer,
        lambda output: {**output, "shape": [2.0, 5.0]} if output["shape"] == [2, 5] else output,
    )


@answer_defect("batch-cut", breaks=["OIP-REST-INFER-023"])
def _(_asked: JsonObject, answer: JsonObject) -> JsonObject:
    """Returns the first 32 rows of a batch of up to 64."""
    return _with_outputs(answer, _cut)


def _cut(output: JsonObject) -> JsonObject:
    rows, *sizes = output["shape"]
    if not 32 < rows <= 64:
        return output
    kept = len(output["data"]) // rows * 32
    return {**output, "shape": [32, *sizes], "data": output["data"][:kept]}


def _outputs(asked: JsonObject) -> Any:
    return asked.get("outputs")


def _with_outputs(answer: JsonObject, change: Callable[[JsonObject], JsonObject]) -> JsonObject:
    return {**answer, "outputs": [change(output) for output in answer["outputs"]]}
