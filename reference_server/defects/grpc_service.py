"""Misbehaviours of the gRPC service as such: its methods, codes, versions, deadlines."""

import asyncio
from math import inf
from typing import Any, cast

from google.protobuf.message import Message
from grpc import StatusCode

from servespec.wire.proto import (
    ModelInferRequest,
    ModelInferResponse,
    ModelMetadataResponse,
    ModelReadyResponse,
    ServerLiveResponse,
    ServerMetadataResponse,
)

from ..errors import ComputeFailed, InvalidRequest, ModelNotFound
from .grpc_messages import answer_defect, code_defect
from .registry import Behaviour, Context, grpc_defect, grpc_route_defect

_SMALL = 4 << 20
"""The limit that gRPC has where nobody sets one."""
_SHORT = 5.0
"""Seconds. A shorter deadline passes, a longer one is there for whoever cancels."""


@grpc_defect("grpc-method-missing", breaks=["OIP-GRPC-SVC-001"])
async def _(method: str, request: Message, context: Context, answer: Behaviour) -> Message:
    """Does not know one of the methods."""
    if method == "ServerReady" and not _has_unknown_fields(request):
        return await context.abort(StatusCode.UNIMPLEMENTED, "Method not found!")
    return await answer(request, context)


@grpc_defect("grpc-not-live", breaks=["OIP-GRPC-SVC-002"])
async def _(_method: str, request: Message, context: Context, answer: Behaviour) -> Message:
    """Answers, and says that it is not live."""
    response = await answer(request, context)
    if isinstance(response, ServerLiveResponse):
        response.live = False
    return response


@grpc_defect("grpc-unknown-model-ready", breaks=["OIP-GRPC-SVC-005/ready"])
async def _(method: str, request: Message, context: Context, answer: Behaviour) -> Message:
    """Is ready for whatever name."""
    if method == "ModelReady":
        return ModelReadyResponse(ready=True)
    return await answer(request, context)


code_defect(
    "grpc-unknown-model-is-an-argument",
    ModelNotFound,
    StatusCode.INVALID_ARGUMENT,
    breaks=["OIP-GRPC-SVC-005"],
)
code_defect(
    "grpc-bad-argument-unknown",
    InvalidRequest,
    StatusCode.UNKNOWN,
    breaks=["OIP-GRPC-SVC-006/bad-arguments"],
)
code_defect(
    "grpc-model-failure-unknown",
    ComputeFailed,
    StatusCode.UNKNOWN,
    breaks=["OIP-GRPC-SVC-006/model-failure"],
)


@grpc_defect("grpc-server-renamed", breaks=["OIP-GRPC-SVC-007/server"])
async def _(_method: str, request: Message, context: Context, answer: Behaviour) -> Message:
    """Has another version on this plane."""
    response = await answer(request, context)
    if isinstance(response, ServerMetadataResponse):
        response.version += "-grpc"
    return response


@grpc_defect("grpc-fixed-batch", breaks=["OIP-GRPC-SVC-007/model"])
async def _(_method: str, request: Message, context: Context, answer: Behaviour) -> Message:
    """Describes every batch dimension as 1."""
    response = await answer(request, context)
    if isinstance(response, ModelMetadataResponse):
        for tensor in (*response.inputs, *response.outputs):
            tensor.shape[0] = 1
    return response


@grpc_defect("grpc-unknown-field-refused", breaks=["OIP-GRPC-SVC-009"])
async def _(_method: str, request: Message, context: Context, answer: Behaviour) -> Message:
    """Refuses a message with a field that it does not know."""
    if _has_unknown_fields(request):
        return await context.abort(StatusCode.INVALID_ARGUMENT, "unknown field")
    return await answer(request, context)


def _has_unknown_fields(request: Message) -> bool:
    known: Any = type(request)()
    known.CopyFrom(request)
    known.DiscardUnknownFields()
    return bool(known.ByteSize() != request.ByteSize())


@answer_defect("grpc-version-not-named", breaks=["OIP-GRPC-SVC-010"])
def _(request: ModelInferRequest, response: ModelInferResponse) -> None:
    """Names the version only to those who asked for it."""
    response.model_version = request.model_version


@grpc_defect("grpc-works-past-the-deadline", breaks=["OIP-GRPC-SVC-011"])
async def _(_method: str, request: Message, context: Context, answer: Behaviour) -> Message:
    """Goes on with work whose deadline has passed."""
    if _time_left(context) < _SHORT:
        return await _to_the_end(request, cast(Context, _Unhurried(context)), answer)
    return await answer(request, context)


@grpc_defect("grpc-works-for-who-cancelled", breaks=["OIP-GRPC-SVC-012"])
async def _(_method: str, request: Message, context: Context, answer: Behaviour) -> Message:
    """Goes on with work that was cancelled."""
    if _time_left(context) >= _SHORT:
        return await _to_the_end(request, context, answer)
    return await answer(request, context)


def _time_left(context: Context) -> float:
    seconds = context.time_remaining()
    return inf if seconds is None else seconds


class _Unhurried:
    """A context that tells nobody of its deadline."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def time_remaining(self) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


async def _to_the_end(request: Message, context: Context, answer: Behaviour) -> Message:
    work = asyncio.ensure_future(answer(request, context))
    work.add_done_callback(lambda done: done.cancelled() or done.exception())
    return await asyncio.shield(work)


@grpc_defect("grpc-default-message-limit", breaks=["OIP-GRPC-SVC-013"])
async def _(_method: str, request: Message, context: Context, answer: Behaviour) -> Message:
    """Has another limit than the documented one."""
    if request.ByteSize() > _SMALL:
        return await context.abort(StatusCode.RESOURCE_EXHAUSTED, "message too large")
    return await answer(request, context)


@grpc_route_defect("grpc-not-described", breaks=["OIP-GRPC-SVC-014"])
def _(path: str) -> bool:
    """Has no reflection."""
    return not path.startswith("/grpc.reflection.")
