"""Misbehaviours of a REST inference: ids, models, versions, inputs."""

import asyncio
import itertools
import json
from dataclasses import replace
from typing import Any

from ..http import Handler, HttpRequest, HttpResponse
from .json_bodies import (
    JsonObject,
    Refusal,
    answer_defect,
    inputs_of,
    json_object,
    question_defect,
    requested_of,
    with_inputs,
    with_json,
)
from .registry import rest_defect

ZERO = {"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [0.0]}
REQUEST_MEMBERS = {"id", "parameters", "inputs", "outputs"}
INPUT_MEMBERS = {"name", "shape", "datatype", "parameters", "data"}
OUTPUT_MEMBERS = {"name", "parameters"}

_in_flight: dict[object, str] = {}
_executions = itertools.count(1)
_reads_first = itertools.cycle((True, False))


@rest_defect("infer-answer-is-text", breaks=["OIP-REST-INFER-001"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Calls the JSON of an inference plain text."""
    response = await answer(request)
    if response.status != 200 or not request.target.endswith("/infer"):
        return response
    others = tuple(field for field in response.headers if field[0] != "Content-Type")
    return replace(response, headers=(("Content-Type", "text/plain"), *others))


@answer_defect("id-cut", breaks=["OIP-REST-INFER-002"])
def _(asked: JsonObject, answer: JsonObject) -> JsonObject:
    """Keeps the first 128 characters of an id."""
    return {**answer, "id": answer["id"][:128]} if "id" in asked else answer


@rest_defect("ids-crossed", breaks=["OIP-REST-INFER-003"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Gives an answer the id of another request in flight."""
    mine = json_object(request).get("id")
    if not isinstance(mine, str):
        return await answer(request)
    caller = object()
    _in_flight[caller] = mine
    try:
        await asyncio.sleep(0.02)
        others = [id for id in _in_flight.values() if id != mine]
        response = await answer(request)
    finally:
        del _in_flight[caller]
    return with_json(response, {**json_object(response), "id": others[0]}) if others else response


@answer_defect("id-a-number", breaks=["OIP-REST-INFER-004"])
def _(asked: JsonObject, answer: JsonObject) -> JsonObject:
    """Makes up a number where no id was sent."""
    return answer if "id" in asked else {**answer, "id": 7}


@question_defect("id-demanded", breaks=["OIP-REST-INFER-005"])
def _(asked: JsonObject) -> JsonObject:
    """Insists on an id where outputs are chosen and parameters given, if none of them."""
    if "id" not in asked and "outputs" in asked and asked.get("parameters") == {}:
        raise Refusal("id is missing")
    return asked


@question_defect("id-number-dropped", breaks=["OIP-REST-INFER-006"])
def _(asked: JsonObject) -> JsonObject:
    """Takes an id that is no string for none."""
    no_string = "id" in asked and not isinstance(asked["id"], str)
    return _without(asked, "id") if no_string else asked


@answer_defect("model-unnamed", breaks=["OIP-REST-INFER-007"])
def _(_asked: JsonObject, answer: JsonObject) -> JsonObject:
    """Calls every model by the same name."""
    return {**answer, "model_name": "model"}


@rest_defect("version-unnamed", breaks=["OIP-REST-INFER-008"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Does not say which version ran when none was asked for and there are several."""
    response = await answer(request)
    if request.target != "/v2/models/constant/infer":
        return response
    return with_json(response, _without(json_object(response), "model_version"))


@answer_defect("version-a-number", breaks=["OIP-REST-INFER-009"])
def _(asked: JsonObject, answer: JsonObject) -> JsonObject:
    """Gives the version as a number beside an id."""
    return {**answer, "model_version": 1} if "id" in asked else answer


@question_defect("inputs-made-up", breaks=["OIP-REST-INFER-010"])
def _(asked: JsonObject) -> JsonObject:
    """Takes a request without inputs for a question about zero."""
    return asked if "inputs" in asked else {"inputs": [ZERO], **asked}


@question_defect("input-members-made-up", breaks=["OIP-REST-INFER-011"])
def _(asked: JsonObject) -> JsonObject:
    """Fills in what an input lacks."""
    inputs = asked.get("inputs")
    if not isinstance(inputs, list) or not all(isinstance(each, dict) for each in inputs):
        return asked
    zeros = {"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [0.0] * 4}
    complete = [{**zeros, **each} for each in inputs]
    return asked if complete == inputs else {**asked, "inputs": complete}


@question_defect("input-made-up", breaks=["OIP-REST-INFER-012"])
def _(asked: JsonObject) -> JsonObject:
    """Takes a second operand that is missing to be like the first."""
    inputs = inputs_of(asked)
    if [each["name"] for each in inputs] != ["a"]:
        return asked
    return {**asked, "inputs": [*inputs, {**inputs[0], "name": "b"}]}


@question_defect("input-name-guessed", breaks=["OIP-REST-INFER-013"])
def _(asked: JsonObject) -> JsonObject:
    """Ignores an unknown input; takes it for the one input where it stands alone."""
    alone = {**ZERO, "name": "x"} if len(inputs_of(asked)) == 1 else None
    return with_inputs(asked, lambda each: alone if each["name"] == "unknown" else each)


@question_defect("input-twice-last-wins", breaks=["OIP-REST-INFER-014"])
def _(asked: JsonObject) -> JsonObject:
    """Chooses the last of two inputs of the same name."""
    last = {each["name"]: each for each in inputs_of(asked)}
    return with_inputs(asked, lambda each: each if each is last[each["name"]] else None)


@question_defect("inputs-by-position", breaks=["OIP-REST-INFER-015"])
def _(asked: JsonObject) -> JsonObject:
    """Binds the operands in the order in which they come."""
    if [each["name"] for each in inputs_of(asked)] != ["b", "a"]:
        return asked
    return with_inputs(asked, lambda each: {**each, "name": {"b": "a", "a": "b"}[each["name"]]})


@question_defect("unknown-members-refused", breaks=["OIP-REST-INFER-031"])
def _(asked: JsonObject) -> JsonObject:
    """Knows all members that there will ever be."""
    unknown = {
        *(asked.keys() - REQUEST_MEMBERS),
        *(name for each in inputs_of(asked) for name in each.keys() - INPUT_MEMBERS),
        *(name for each in requested_of(asked) for name in each.keys() - OUTPUT_MEMBERS),
    }
    if unknown:
        raise Refusal(f"unknown member {min(unknown)}")
    return asked


@answer_defect("infer-remembers", breaks=["OIP-REST-INFER-032"])
def _(asked: JsonObject, answer: JsonObject) -> JsonObject:
    """Adds to the sum of seven values how often that was asked."""
    if [each.get("shape") for each in inputs_of(asked)] != [[1, 7]]:
        return answer
    (output,) = answer["outputs"]
    data = [value + next(_executions) for value in output["data"]]
    return {**answer, "outputs": [{**output, "data": data}]}


@rest_defect("infer-by-get", breaks=["OIP-REST-INFER-033"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Takes a GET for an inference of zero."""
    if request.method != "GET" or not request.target.endswith("/infer"):
        return await answer(request)
    return await answer(with_json(replace(request, method="POST"), {"inputs": [ZERO]}))


@rest_defect("duplicate-members-at-random", breaks=["OIP-REST-INFER-034"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Of two members of one name the first wins every other time."""
    last = json_object(request)
    first = json.loads(request.body, object_pairs_hook=_first_of_each) if last else last
    if first == last or not next(_reads_first):
        return await answer(request)
    return await answer(with_json(request, first))


def _first_of_each(members: list[tuple[str, Any]]) -> JsonObject:
    return dict(reversed(members))


def _without(document: JsonObject, member: str) -> JsonObject:
    return {key: value for key, value in document.items() if key != member}
