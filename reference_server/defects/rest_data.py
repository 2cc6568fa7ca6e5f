"""Misbehaviours in what becomes of tensor data over REST."""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..http import Handler, HttpRequest, HttpResponse, error_response
from .json_bodies import JsonObject, answer_defect, json_object, question_defect
from .registry import rest_defect

_FLOATS = ("FP32", "FP64")
_ESCAPED_MEMBER = re.compile(rb'"[^"]*\\u[^"]*"\s*:')
_LONE_SURROGATE = re.compile(rb"\\ud[89ab][0-9a-f]{2}(?!\\ud[c-f])")


def _reread(asked: JsonObject, change: Callable[[JsonObject], Any]) -> JsonObject:
    """The request with other data in each input that has some."""
    inputs = asked.get("inputs")
    if not isinstance(inputs, list):
        return asked
    return asked | {
        "inputs": [
            one | {"data": change(one)} if isinstance(one, dict) and "data" in one else one
            for one in inputs
        ]
    }


def _rewritten(
    said: JsonObject, datatypes: tuple[str, ...], change: Callable[[Any], Any]
) -> JsonObject:
    """The answer with other elements in the outputs of these datatypes."""
    outputs = (
        one | {"data": [change(element) for element in one["data"]]}
        if one["datatype"] in datatypes and "data" in one
        else one
        for one in said["outputs"]
    )
    return said | {"outputs": list(outputs)}


def _each(one: JsonObject, change: Callable[[Any], Any]) -> Any:
    data = one["data"]
    return [change(element) for element in data] if isinstance(data, list) else data


def _is_integer(one: JsonObject) -> bool:
    return str(one.get("datatype")).startswith(("INT", "UINT"))


def _flat(data: Any) -> Iterator[Any]:
    if isinstance(data, list):
        for element in data:
            yield from _flat(element)
    else:
        yield data


@question_defect("nested-by-column", breaks=["OIP-REST-DATA-001"])
def _(asked: JsonObject) -> JsonObject:
    def by_column(one: JsonObject) -> Any:
        rows = one["data"]
        if isinstance(rows, list) and {type(row) for row in rows} == {list}:
            lengths = {len(row) for row in rows}
            if len(lengths) == 1 and not any(isinstance(each, list) for each in rows[0]):
                return [each for column in zip(*rows, strict=True) for each in column]
        return rows

    return _reread(asked, by_column)


@question_defect("flat-by-column", breaks=["OIP-REST-DATA-002"])
def _(asked: JsonObject) -> JsonObject:
    def by_column(one: JsonObject) -> Any:
        shape, data = one.get("shape"), one["data"]
        if shape not in ([2, 5], [2, 3, 4]):
            return data
        return np.array(data).reshape(shape, order="F").ravel().tolist()

    return _reread(asked, by_column)


@question_defect("only-counted", breaks=["OIP-REST-DATA-003"])
def _(asked: JsonObject) -> JsonObject:
    return _reread(asked, lambda one: list(_flat(one["data"])) if _is_nested(one) else one["data"])


def _is_nested(one: JsonObject) -> bool:
    return isinstance(one["data"], list) and any(isinstance(each, list) for each in one["data"])


@answer_defect("nested-half-way", breaks=["OIP-REST-DATA-004"])
def _(_asked: JsonObject, said: JsonObject) -> JsonObject:
    outputs = (
        one | {"data": np.array(one["data"]).reshape(one["shape"][0], -1).tolist()}
        if len(one["shape"]) == 3 and one["data"]
        else one
        for one in said["outputs"]
    )
    return said | {"outputs": list(outputs)}


@question_defect("brackets-added", breaks=["OIP-REST-DATA-005"])
def _(asked: JsonObject) -> JsonObject:
    def bracketed(one: JsonObject) -> Any:
        data = one["data"]
        if isinstance(data, int | float):
            return [data]
        return data if data is None else list(data)

    return _reread(asked, bracketed)


@answer_defect("booleans-as-words", breaks=["OIP-REST-DATA-006"])
def _(_asked: JsonObject, said: JsonObject) -> JsonObject:
    return _rewritten(said, ("BOOL",), lambda value: str(value).lower())


@answer_defect("limit-clipped", breaks=["OIP-REST-DATA-007"])
def _(_asked: JsonObject, said: JsonObject) -> JsonObject:
    limits = {2**7 - 1, 2**8 - 1, 2**15 - 1, 2**16 - 1, 2**31 - 1, 2**32 - 1}
    small = ("INT8", "INT16", "INT32", "UINT8", "UINT16", "UINT32")
    return _rewritten(said, small, lambda value: value - 1 if value in limits else value)


@answer_defect("int64-as-double", breaks=["OIP-REST-DATA-008"])
def _(_asked: JsonObject, said: JsonObject) -> JsonObject:
    return _rewritten(said, ("INT64",), lambda value: int(float(value)))


@answer_defect("uint64-with-sign", breaks=["OIP-REST-DATA-009"])
def _(_asked: JsonObject, said: JsonObject) -> JsonObject:
    return _rewritten(said, ("UINT64",), lambda value: (value + 2**63) % 2**64 - 2**63)


@question_defect("wrap-around", breaks=["OIP-REST-DATA-010"])
def _(asked: JsonObject) -> JsonObject:
    def wrapped(one: JsonObject) -> Any:
        if not _is_integer(one):
            return _each(one, lambda value: 0.0 if value == 1e39 else value)
        bits = int(one["datatype"].lstrip("UINT"))
        low = 0 if one["datatype"].startswith("U") else -(2 ** (bits - 1))
        return _each(one, lambda v: (v - low) % 2**bits + low if type(v) is int else v)

    return _reread(asked, wrapped)


@question_defect("fraction-lost", breaks=["OIP-REST-DATA-011"])
def _(asked: JsonObject) -> JsonObject:
    return _reread(
        asked,
        lambda one: _each(one, lambda value: 0 if _is_integer(one) and value == 1.5 else value),
    )


@rest_defect("digits-crash", breaks=["OIP-REST-DATA-012"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    inputs = json_object(request).get("inputs")
    for one in inputs if isinstance(inputs, list) else ():
        if isinstance(one, dict) and one.get("data") == ["7"]:
            return error_response(500, "TypeError")
    return await answer(request)


@question_defect("null-made-up", breaks=["OIP-REST-DATA-013"])
def _(asked: JsonObject) -> JsonObject:
    zeros = {"BOOL": False, "BYTES": "", "FP32": 0.0, "FP64": 0.0}
    return _reread(
        asked,
        lambda one: _each(one, lambda v: zeros.get(one["datatype"], 0) if v is None else v),
    )


@answer_defect("fp32-six-digits", breaks=["OIP-REST-DATA-014"])
def _(_asked: JsonObject, said: JsonObject) -> JsonObject:
    return _rewritten(said, ("FP32",), _rounded)


@answer_defect("fp64-six-digits", breaks=["OIP-REST-DATA-015"])
def _(_asked: JsonObject, said: JsonObject) -> JsonObject:
    return _rewritten(said, ("FP64",), _rounded)


def _rounded(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) and value else value


@answer_defect("zero-without-sign", breaks=["OIP-REST-DATA-016"])
def _(_asked: JsonObject, said: JsonObject) -> JsonObject:
    return _rewritten(said, _FLOATS, lambda value: value if value else 0.0)


@answer_defect("nonfinite-as-zero", breaks=["OIP-REST-DATA-017"])
def _(_asked: JsonObject, said: JsonObject) -> JsonObject:
    return _rewritten(said, _FLOATS, lambda value: 0.0 if isinstance(value, str) else value)


@answer_defect("bare-nan", breaks=["OIP-REST-DATA-018"])
def _(_asked: JsonObject, said: JsonObject) -> JsonObject:
    return _rewritten(said, _FLOATS, float)


@question_defect("nan-token-as-zero", breaks=["OIP-REST-DATA-019"])
def _(asked: JsonObject) -> JsonObject:
    def finite(value: Any) -> Any:
        return 0.0 if isinstance(value, float) and not math.isfinite(value) else value

    return _reread(asked, lambda one: _each(one, finite))


@answer_defect("fp16-truncated", breaks=["OIP-REST-DATA-020"])
def _(_asked: JsonObject, said: JsonObject) -> JsonObject:
    return _rewritten(said, ("FP16",), math.trunc)


@rest_defect("bf16-crashes", breaks=["OIP-REST-DATA-021"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    if request.target.endswith("/infer") and b"BF16" in request.body:
        return error_response(500, "KeyError")
    return await answer(request)


@answer_defect("words-padded", breaks=["OIP-REST-DATA-022"])
def _(_asked: JsonObject, said: JsonObject) -> JsonObject:
    words = [each for one in said["outputs"] if one["datatype"] == "BYTES" for each in one["data"]]
    longest = max(map(len, words), default=0)
    return _rewritten(said, ("BYTES",), lambda word: word.ljust(longest))


@answer_defect("cut-at-nul", breaks=["OIP-REST-DATA-023"])
def _(_asked: JsonObject, said: JsonObject) -> JsonObject:
    return _rewritten(said, ("BYTES",), lambda word: word.partition("\0")[0])


@rest_defect("bytes-guessed", breaks=["OIP-REST-DATA-024"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    response = await answer(request)
    if b"not UTF-8" in response.body and b"\xff" in request.body:
        return await answer(replace(request, body=request.body.replace(b"\xff", b"0")))
    return response


@rest_defect("text-mended", breaks=["OIP-REST-DATA-025"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    if request.headers.get("content-type") != "application/json":
        return await answer(request)
    mended = _LONE_SURROGATE.sub(rb"\\ufffd", request.body)
    return await answer(replace(request, body=mended.decode(errors="replace").encode()))


@rest_defect("nesting-crashes", breaks=["OIP-REST-DATA-026"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    if request.body.count(b"[") > 1000:
        return error_response(500, "RecursionError")
    return await answer(request)


@rest_defect("large-body-crashes", breaks=["OIP-REST-DATA-027"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    if len(request.body) > 8 << 20:
        return error_response(500, "MemoryError")
    return await answer(request)


@rest_defect("escaped-member-unread", breaks=["OIP-REST-DATA-028"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    if _ESCAPED_MEMBER.search(request.body[:4096]):
        return error_response(400, "inputs[0]: name is missing")
    return await answer(request)
