"""Misbehaviours in who gets which version, and towards those who never hear of a shadow."""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from google.protobuf.message import Message

from servespec.wire.messages import InferRequest
from servespec.wire.proto import ModelInferRequest, ModelInferResponse

from ..http import Handler, HttpRequest, HttpResponse, error_response
from ..mirroring import Mirror, Outcome
from ..routes import Routes, Sticky
from ..routing import MODEL_VERSION, Asked, Choice, Router
from .json_bodies import JsonObject, inputs_of, json_object, with_json
from .registry import (
    Behaviour,
    Context,
    grpc_defect,
    mirror_defect,
    rest_defect,
    router_defect,
)

_ROUTED = "/v2/models/routed/infer"
_SHADOWED = "/v2/models/shadowed/infer"
_WAIT_SECONDS = 0.4


def _more_for_the_last(routes: Routes) -> Routes:
    """Some percent more than was asked for."""
    last = max(routes.weights, key=int)
    weights = {**routes.weights, last: routes.weights[last] * 1.5}
    return Routes(weights, routes.sticky, routes.mirror)


@router_defect("canary-gets-more", breaks=["ROLL-001/share"])
class CanaryGetsMore(Router):
    """Rounds the share of a canary up."""

    def drawn(self, asked: Asked, routes: Routes, parameters: Mapping[str, object]) -> str:
        """Leaves those alone that have a key."""
        if self.key(asked, routes.sticky, parameters) is None:
            routes = _more_for_the_last(routes)
        return super().drawn(asked, routes, parameters)


@router_defect("canary-gets-more-clients", breaks=["ROLL-001/ratio"])
class CanaryGetsMoreClients(Router):
    """Splits clients by another ratio than requests."""

    def drawn(self, asked: Asked, routes: Routes, parameters: Mapping[str, object]) -> str:
        """Leaves those alone that have no key."""
        if self.key(asked, routes.sticky, parameters) is not None:
            routes = _more_for_the_last(routes)
        return super().drawn(asked, routes, parameters)


@router_defect("forgets-keys", breaks=["ROLL-002/kept", "ROLL-002/planes"])
class ForgetsKeys(Router):
    """Draws anew for each request."""

    def key(
        self, asked: Asked, sticky: Sticky | None, parameters: Mapping[str, object]
    ) -> str | None:
        """Knows nobody again."""
        super().key(asked, sticky, parameters)
        return None


@grpc_defect("grpc-has-no-keys", breaks=["ROLL-002/planes"])
async def grpc_has_no_keys(
    _method: str, request: Message, context: Context, answer: Behaviour
) -> Message:
    """Gives those who call the version that has the most, whoever they are."""
    if isinstance(request, ModelInferRequest) and request.model_name == "routed":
        metadata = dict(context.invocation_metadata() or ())
        if MODEL_VERSION.lower() not in metadata and "x-sticky-key" in metadata:
            request.model_version = "1"
    return await answer(request, context)


@rest_defect("names-the-latest", breaks=["ROLL-003/REST"])
async def names_the_latest(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Names the version that is the latest, whichever has answered."""
    response = await answer(request)
    if request.target != _ROUTED or response.status != 200:
        return response
    return with_json(response, {**json_object(response), "model_version": "2"})


@grpc_defect("grpc-names-the-latest", breaks=["ROLL-003/gRPC"])
async def grpc_names_the_latest(
    _method: str, request: Message, context: Context, answer: Behaviour
) -> Message:
    """Names the version that is the latest, whichever has answered."""
    response = await answer(request, context)
    if isinstance(response, ModelInferResponse) and response.model_name == "routed":
        response.model_version = "2"
    return response


@router_defect(
    "ignores-the-override", breaks=["ROLL-008/served", "ROLL-008/unknown", "ROLL-008/over gRPC"]
)
class IgnoresTheOverride(Router):
    """Reads no header that names a version."""

    def choose(self, asked: Asked) -> Choice:
        """Goes by the path alone."""
        return super().choose(replace(asked, header=_without_version(asked)))


def _without_version(asked: Asked) -> Callable[[str], str | None]:
    return lambda name: None if name == MODEL_VERSION.lower() else asked.header(name)


@rest_defect("replaces-an-unknown-version", breaks=["ROLL-008/unknown"])
async def replaces_an_unknown_version(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Serves who asks for a version that is not there with another one."""
    response = await answer(request)
    if request.target != _ROUTED or response.status != 404:
        return response
    headers = {
        name: value for name, value in request.headers.items() if name != MODEL_VERSION.lower()
    }
    return await answer(replace(request, headers=headers))


def _smallest(question: JsonObject) -> float:
    return min((min(each.get("data", [0])) for each in inputs_of(question)), default=0)


@rest_defect("serves-the-shadows-values", breaks=["ROLL-004/answer"])
async def serves_the_shadows_values(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Gives those who ask for 1 what the shadow computes."""
    response = await answer(request)
    if request.target != _SHADOWED or _smallest(json_object(request)) != 1:
        return response
    document = json_object(response)
    for output in document.get("outputs", []):
        if output["name"] == "y":
            output["data"] = [-value for value in output["data"]]
    return with_json(response, document)


@rest_defect("serves-the-shadows-failure", breaks=["ROLL-004/failure"])
async def serves_the_shadows_failure(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Fails where the shadow does."""
    response = await answer(request)
    if request.target == _SHADOWED and _smallest(json_object(request)) < 0:
        return error_response(500, "model 'shadowed' raised while it ran")
    return response


@rest_defect("waits-for-the-shadow", breaks=["ROLL-004/latency"])
async def waits_for_the_shadow(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Answers when a slow shadow has."""
    response = await answer(request)
    if request.target == _SHADOWED and _smallest(json_object(request)) > 1:
        await asyncio.sleep(_WAIT_SECONDS)
    return response


@mirror_defect("mirrors-half", breaks=["ROLL-005/executed", "ROLL-005/counted"])
class MirrorsHalf(Mirror):
    """Passes on every other request."""

    def offer(self, version: str, request: InferRequest, by: str, served: Outcome) -> None:
        """Forgets those in between."""
        self.turn = not getattr(self, "turn", False)
        if self.turn:
            super().offer(version, request, by, served)


_LABELS = 'code="200",model="shadowed",plane="rest",version="2"'
_REQUESTS = rf"(?m)^(inference_requests_total\{{{_LABELS}\}}) (\S+)$"
_COPIES = r'(?m)^inference_shadow_total\{model="shadowed",.*version="2"\} (\S+)$'


@rest_defect("counts-copies-as-requests", breaks=["ROLL-005/counted"])
async def counts_copies_as_requests(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Has one counter for all that a version computes."""
    response = await answer(request)
    if request.target != "/metrics":
        return response
    page = response.body.decode()
    copies = sum(map(float, re.findall(_COPIES, page)))
    counted = re.sub(_REQUESTS, lambda line: f"{line[1]} {float(line[2]) + copies:g}", page)
    return replace(response, body=counted.encode())
