"""Misbehaviours towards shapes and datatypes that do not fit, or are at the edge."""

import math
import operator
from typing import Any

from ..http import Handler, HttpRequest, HttpResponse, error_response
from .json_bodies import (
    JsonObject,
    inputs_of,
    json_object,
    question_defect,
    with_inputs,
    with_json,
)
from .registry import rest_defect

SMALLEST = 2.0**-149  # what the lowest bit of an FP32 is worth


@question_defect("dimension-guessed", breaks=["OIP-REST-INFER-024"])
def _(asked: JsonObject) -> JsonObject:
    """Takes every dimension that cannot be for 1."""
    return with_inputs(asked, _with_dimensions)


def _with_dimensions(each: JsonObject) -> JsonObject:
    shape = _shape(each)
    possible = [size if type(size) is int and size >= 0 else 1 for size in shape]
    return each if all(map(operator.is_, shape, possible)) else {**each, "shape": possible}


@question_defect("data-padded-or-cut", breaks=["OIP-REST-INFER-025"])
def _(asked: JsonObject) -> JsonObject:
    """Makes the data of four elements fit."""
    return with_inputs(
        asked,
        lambda each: (
            {**each, "data": [*each["data"], 0.0][:4]}
            if _shape(each) == [2, 2] and _numbers(each) in (3, 5)
            else each
        ),
    )


@question_defect("huge-shape-guessed", breaks=["OIP-REST-INFER-026"])
def _(asked: JsonObject) -> JsonObject:
    """Counts the data instead of believing a shape of 2^30 elements or more."""
    return with_inputs(
        asked,
        lambda each: (
            {**each, "shape": [_numbers(each), 1]}
            if _count(each) >= 2**30 and _numbers(each) < 2
            else each
        ),
    )


@question_defect("empty-batch-filled", breaks=["OIP-REST-INFER-027"])
def _(asked: JsonObject) -> JsonObject:
    """Takes an empty batch of four columns for a row of zeros."""
    return with_inputs(
        asked,
        lambda each: (
            {**each, "shape": [1, 4], "data": [0.0] * 4} if _shape(each) == [0, 4] else each
        ),
    )


@rest_defect("scalar-crashes", breaks=["OIP-REST-INFER-028"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Fails over a tensor without dimensions."""
    if any(each.get("shape") == [] for each in inputs_of(json_object(request))):
        return error_response(500, "index out of range")
    return await answer(request)


@rest_defect("datatype-reinterpreted", breaks=["OIP-REST-INFER-029"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Takes the bits of numbers of another datatype for those of FP32."""
    if request.target != "/v2/models/identity_fp32/infer":
        return await answer(request)
    asked = json_object(request)
    return await answer(
        with_json(request, with_inputs(asked, _reinterpreted)) if asked else request
    )


def _reinterpreted(each: JsonObject) -> JsonObject:
    if each.get("datatype") not in ("INT64", "UINT8", "FP64") or _numbers(each) != 2:
        return each
    return {**each, "datatype": "FP32", "data": [value * SMALLEST for value in each["data"]]}


@question_defect("datatype-guessed", breaks=["OIP-REST-INFER-030"])
def _(asked: JsonObject) -> JsonObject:
    """Takes every name that is somehow like FP32 for it."""
    return with_inputs(
        asked,
        lambda each: (
            {**each, "datatype": "FP32"}
            if each.get("datatype") in ("FLOAT", "fp32", "FP33", "")
            else each
        ),
    )


def _shape(each: JsonObject) -> list[Any]:
    shape = each.get("shape")
    return shape if isinstance(shape, list) else []


def _count(each: JsonObject) -> int:
    """The number of elements that a shape announces; 0 for what is no shape."""
    shape = _shape(each)
    return math.prod(shape) if all(type(size) is int for size in shape) else 0


def _numbers(each: JsonObject) -> int:
    """How many numbers are there, not nested; -1 where there is something else."""
    data = each.get("data")
    flat = isinstance(data, list) and all(type(value) in (int, float) for value in data)
    return len(data) if flat and data is not None else -1
