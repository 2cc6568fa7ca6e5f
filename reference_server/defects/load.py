"""Misbehaviours that only a clock shows: late answers, and those that hide what is slow."""

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import replace

from google.protobuf.message import Message

from ..http import Handler, HttpRequest, HttpResponse
from ..pipeline import Outcome
from ..signature import Work
from .registry import Behaviour, Context, Running, engine_defect, grpc_defect, rest_defect

__all__: list[str] = []

_WORK = "/coalesced/infer"
_MODEL = "coalesced"
_ONE_OF = 10
_LATE_SECONDS = 1.0
_AT_LEAST_SECONDS = 0.15
_IMAGE_SECONDS = 0.3
_LARGE = 1 << 16
_FINER = re.compile(rb'(?m)^inference_request_seconds_bucket\{.*le="(?!30"|30\.0"|\+Inf").*\n')

_count = 0


@rest_defect("one-in-ten-late", breaks=["LOAD-009", "LOAD-010"])
async def one_in_ten_late(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Forgets an answer now and then, and remembers it later."""
    global _count  # noqa: PLW0603
    response = await answer(request)
    if request.target.endswith(_WORK):
        _count += 1
        await asyncio.sleep(_LATE_SECONDS if _count % _ONE_OF == 0 else 0)
    return response


@rest_defect("answers-on-the-beat", breaks=["LOAD-010", "LOAD-013"])
async def answers_on_the_beat(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Answers no sooner than after a while, however short the work was."""
    began = time.monotonic()
    response = await answer(request)
    if request.target.endswith(_WORK):
        await asyncio.sleep(began + _AT_LEAST_SECONDS - time.monotonic())
    return response


@rest_defect("answers-held-back", breaks=["LOAD-012"])
async def answers_held_back(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Lets an answer lie for three times as long as it says that it took."""
    began = time.monotonic()
    response = await answer(request)
    if request.target.endswith(_WORK):
        await asyncio.sleep(3 * (time.monotonic() - began))
    return response


@rest_defect("histogram-of-two-buckets", breaks=["LOAD-015"])
async def histogram_of_two_buckets(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Counts what takes less than half a minute, and the rest."""
    response = await answer(request)
    if request.target != "/metrics":
        return response
    return replace(response, body=_FINER.sub(b"", response.body))


@engine_defect("runtime-at-half-speed", breaks=["LOAD-011"])
def runtime_at_half_speed(works: Sequence[Work], run: Running) -> Sequence[Outcome]:
    """Takes as long again as the runtime."""
    began = time.monotonic()
    outcomes = run(works)
    if run.model == _MODEL:
        time.sleep(time.monotonic() - began)
    return outcomes


@grpc_defect("grpc-slow-for-images", breaks=["LOAD-014"])
async def grpc_slow_for_images(
    method: str, request: Message, context: Context, answer: Behaviour
) -> Message:
    """Takes its time over large messages."""
    if method == "ModelInfer" and request.ByteSize() > _LARGE:
        await asyncio.sleep(_IMAGE_SECONDS)
    return await answer(request, context)
