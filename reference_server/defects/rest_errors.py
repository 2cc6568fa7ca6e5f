"""Misbehaviours in how errors are told over REST."""

import json
from dataclasses import replace
from typing import Any

from ..http import Handler, HttpRequest, HttpResponse, error_response
from .json_bodies import json_object, with_json
from .registry import rest_defect


def _first_input(request: HttpRequest) -> dict[str, Any]:
    """The first input of an inference; an empty object where there is none."""
    inputs = json_object(request).get("inputs")
    first = inputs[0] if isinstance(inputs, list) and inputs else None
    return first if isinstance(first, dict) else {}


@rest_defect("error-is-no-text", breaks=["OIP-REST-ERR-001"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    response = await answer(request)
    if isinstance(json_object(request).get("outputs"), int):
        return with_json(response, {"error": {"code": response.status}})
    return response


@rest_defect("metadata-error-detail", breaks=["OIP-REST-ERR-002"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    response = await answer(request)
    if request.method == "GET" and request.target.endswith("/versions/999999"):
        return with_json(response, {"detail": "Not Found"})
    return response


@rest_defect("name-conflict", breaks=["OIP-REST-ERR-003/request"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    response = await answer(request)
    return replace(response, status=409) if _first_input(request).get("name") == 3 else response


@rest_defect("unknown-model-400", breaks=["OIP-REST-ERR-003/unknown"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    response = await answer(request)
    unknown = request.target == "/v2/models/servespec-absent/infer"
    return replace(response, status=400) if unknown else response


@rest_defect("inputs-object-crashes", breaks=["OIP-REST-ERR-004"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    if isinstance(json_object(request).get("inputs"), dict):
        return error_response(500, "KeyError: 0")
    return await answer(request)


@rest_defect("failure-hidden", breaks=["OIP-REST-ERR-005"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    response = await answer(request)
    if response.status == 500 and request.target == "/v2/models/fail/infer":
        return with_json(replace(response, status=200), {"model_name": "fail", "outputs": []})
    return response


@rest_defect("error-says-nothing", breaks=["OIP-REST-ERR-006"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    response = await answer(request)
    if response.status == 400 and _first_input(request).get("data") == [1.0, 2.0, 3.0]:
        return with_json(response, {"error": "bad request"})
    return response


@rest_defect("error-in-plain-text", breaks=["OIP-REST-ERR-007"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    response = await answer(request)
    if response.status == 400 and isinstance(_first_input(request).get("shape"), str):
        return replace(response, headers=(("Content-Type", "text/plain"),))
    return response


@rest_defect("no-json-412", breaks=["OIP-REST-ERR-008"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    response = await answer(request)
    told = response.status == 400 and _is_no_object(request.body)
    return replace(response, status=412) if told else response


def _is_no_object(body: bytes) -> bool:
    try:
        return not isinstance(json.loads(body or b"{}"), dict)
    except (ValueError, RecursionError):
        return True


@rest_defect("empty-body-crashes", breaks=["OIP-REST-ERR-009"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    if request.method == "POST" and request.headers.get("content-length") == "0":
        return error_response(500, "EOFError")
    return await answer(request)


@rest_defect("mark-crashes", breaks=["OIP-REST-ERR-010"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    if request.body.startswith(b"\xef\xbb\xbf"):
        return error_response(500, "UnicodeError")
    return await answer(request)


_in_flight: set[int] = set()
_hurt: set[int] = set()


@rest_defect("bad-neighbour", breaks=["OIP-REST-ERR-011"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    _in_flight.add(id(request))
    try:
        response = await answer(request)
    finally:
        _in_flight.discard(id(request))
    if response.status >= 400:
        _hurt.update(_in_flight)
    if id(request) in _hurt:
        _hurt.discard(id(request))
        return error_response(500, "a neighbour failed")
    return response


@rest_defect("files-shown", breaks=["OIP-REST-ERR-014"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    response = await answer(request)
    misread = isinstance(_first_input(request).get("shape"), str)
    if misread or response.status == 500 or request.target == "/v2/absent":
        return with_json(response, {"error": "raised in /opt/server/models/session.py"})
    return response
