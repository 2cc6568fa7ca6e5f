"""Misbehaviours of HTTP that happen above the protocol: methods, media types, routes, CORS."""

import json
from dataclasses import replace

from ..http import Handler, HttpRequest, HttpResponse, error_response
from .json_bodies import json_object
from .registry import rest_defect

ALLOW_ORIGIN = ("Access-Control-Allow-Origin", "*")


@rest_defect("media-type-xml-400", breaks=["HTTP-006"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Takes XML and plain text for malformed JSON."""
    response = await answer(request)
    return replace(response, status=400) if response.status == 415 else response


@rest_defect("problem-of-another-status", breaks=["HTTP-013"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Tells what is not found as problem details of status 400."""
    response = await answer(request)
    if response.status != 404:
        return response
    details = {"type": "about:blank", "title": "Not found", "status": 400, **json_object(response)}
    kind = ("Content-Type", "application/problem+json")
    return HttpResponse(404, json.dumps(details).encode(), (kind,))


@rest_defect("preflight-is-inference", breaks=["HTTP-019"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Allows every origin, and takes its preflight for an inference."""
    if "origin" not in request.headers:
        return await answer(request)
    if request.method == "OPTIONS":
        request = replace(request, method="POST")
    response = await answer(request)
    return replace(response, headers=(*response.headers, ALLOW_ORIGIN))


@rest_defect("options-501", breaks=["HTTP-021/options"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Does not know OPTIONS."""
    if request.method == "OPTIONS" and "origin" not in request.headers:
        return error_response(501, "OPTIONS is not implemented")
    return await answer(request)


@rest_defect("slash-redirected-to-itself", breaks=["HTTP-022"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Adds a slash to a route that has one."""
    if request.target.endswith("/ready/"):
        return HttpResponse(308, b"", (("Location", request.target),))
    return await answer(request)


@rest_defect("wrong-method-without-allow", breaks=["OIP-REST-PATH-011"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Does not say which methods a route serves."""
    response = await answer(request)
    if response.status != 405:
        return response
    kept = tuple(field for field in response.headers if field[0] != "Allow")
    return replace(response, headers=kept)
