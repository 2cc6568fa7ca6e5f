"""Misbehaviours of the repository extension: of the index, of changes, and of who may make them."""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from google.protobuf.message import Message
from msgspec import MsgspecError, json

from servespec.wire import proto

from ..http import Handler, HttpRequest, HttpResponse, error_response
from ..tokens import VARIABLE
from .registry import Behaviour, Context, grpc_defect, rest_defect

_INDEX = "/v2/repository/index"
_GAP_SECONDS = 0.2

Rows = list[dict[str, Any]]


def _asks(request: HttpRequest, verb: str) -> bool:
    path = request.target.partition("?")[0]
    return path.startswith("/v2/repository/models/") and path.endswith(f"/{verb}")


def _index_defect(
    name: str, *, breaks: Sequence[str]
) -> Callable[[Callable[[Rows], Rows]], Callable[[Rows], Rows]]:
    """Register `rows -> rows`, which rewrites the index."""

    def register(rewrite: Callable[[Rows], Rows]) -> Callable[[Rows], Rows]:
        @rest_defect(name, breaks=breaks)
        async def defect(request: HttpRequest, answer: Handler) -> HttpResponse:
            response = await answer(request)
            if request.target != _INDEX or response.status != 200:
                return response
            return replace(response, body=json.encode(rewrite(json.decode(response.body))))

        return rewrite

    return register


@_index_defect("index-of-numbers", breaks=["EXT-REPO-001"])
def index_of_numbers(rows: Rows) -> Rows:
    """Writes versions as numbers, which not all of them are."""
    return [{**row, "version": int(row["version"])} for row in rows]


@_index_defect("index-forgets-the-unloaded", breaks=["EXT-REPO-003", "EXT-REPO-010/index"])
def index_forgets_the_unloaded(rows: Rows) -> Rows:
    """Lists what serves."""
    return [row for row in rows if row["state"] != "UNAVAILABLE"]


@rest_defect("index-ignores-ready", breaks=["EXT-REPO-002/ready"])
async def index_ignores_ready(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Lists all, whatever is asked for."""
    return await answer(replace(request, body=b"") if request.target == _INDEX else request)


@rest_defect("index-wants-a-body", breaks=["EXT-REPO-002/empty"])
async def index_wants_a_body(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Takes a request that says nothing for one that asks for what is ready."""
    if request.target == _INDEX and not request.body:
        return await answer(replace(request, body=b'{"ready": true}'))
    return await answer(request)


@rest_defect("load-does-nothing", breaks=["EXT-REPO-004"])
async def load_does_nothing(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Says of what is there and not loaded that it was loaded."""
    if _asks(request, "load") and not _parameters(request):
        asked = replace(request, method="GET", target=_ready_path(request))
        if (await answer(asked)).status == 503:
            return HttpResponse(200, b"{}")
    return await answer(request)


@rest_defect("reload-leaves-a-gap", breaks=["EXT-REPO-005"])
async def reload_leaves_a_gap(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Unloads a model before it loads it anew."""
    if _asks(request, "load") and not _parameters(request):
        gone = replace(request, target=f"{request.target.removesuffix('load')}unload")
        if (await answer(gone)).status == 200:
            await asyncio.sleep(_GAP_SECONDS)
    return await answer(request)


@rest_defect("unloaded-may-come-back", breaks=["EXT-REPO-006"])
async def unloaded_may_come_back(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Has callers of what is unloaded ask again and again."""
    response = await answer(request)
    if response.status == 404 and request.target.endswith("/infer"):
        return error_response(503, "not loaded now")
    return response


@rest_defect("load-of-nothing-succeeds", breaks=["EXT-REPO-007/unknown"])
async def load_of_nothing_succeeds(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Finds nothing wrong with a model that is not there."""
    response = await answer(request)
    if _asks(request, "load") and response.status == 404:
        return HttpResponse(200, b"{}")
    return response


@rest_defect("failed-load-takes-the-model", breaks=["EXT-REPO-007/serving"])
async def failed_load_takes_the_model(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Leaves nothing to serve when what was to replace it is refused."""
    response = await answer(request)
    if _asks(request, "load") and response.status == 400:
        gone = f"{request.target.removesuffix('load')}unload"
        await answer(replace(request, target=gone, body=b""))
    return response


@rest_defect("strangers-configure", breaks=["EXT-REPO-009"])
async def strangers_configure(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Asks nobody who they are who send a configuration."""
    if _asks(request, "load") and "authorization" not in request.headers:
        return await answer(_known(replace(request, body=b"")))
    return await answer(request)


@rest_defect("strangers-unload", breaks=["EXT-MISC-006/repository"])
async def strangers_unload(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Asks nobody who they are who unload a model."""
    return await answer(_known(request) if _asks(request, "unload") else request)


@grpc_defect("grpc-index-of-one", breaks=["EXT-REPO-010/index"])
async def grpc_index_of_one(
    method: str, request: Message, context: Context, answer: Behaviour
) -> Message:
    """Lists one version of each model."""
    reply = await answer(request, context)
    if method == "RepositoryIndex" and isinstance(reply, proto.RepositoryIndexResponse):
        latest = {row.name: row for row in reply.models}
        return proto.RepositoryIndexResponse(models=latest.values())
    return reply


@grpc_defect("grpc-unload-does-nothing", breaks=["EXT-REPO-010/changes"])
async def grpc_unload_does_nothing(
    method: str, request: Message, context: Context, answer: Behaviour
) -> Message:
    """Says that a model is unloaded, which serves on."""
    if method == "RepositoryModelUnload":
        return proto.RepositoryModelUnloadResponse()
    return await answer(request, context)


def _parameters(request: HttpRequest) -> object:
    """The parameters of a change; what cannot be read has some."""
    try:
        return json.decode(request.body or b"{}").get("parameters")
    except (MsgspecError, AttributeError):
        return request.body


def _ready_path(request: HttpRequest) -> str:
    """Where the model of a load says whether it is ready."""
    return f"/v2/models/{request.target.split('/')[-2]}/ready"


def _known(request: HttpRequest) -> HttpRequest:
    """The same of the operator."""
    authorization = f"Bearer {os.environ.get(VARIABLE, '')}"
    return replace(request, headers={**request.headers, "authorization": authorization})
