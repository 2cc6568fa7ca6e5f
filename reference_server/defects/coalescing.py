"""Misbehaviours towards those who ask the same: who shares, who leaves, who gets whose answer."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from gzip import compress

import numpy as np
from google.protobuf.message import Message

from servespec.wire.proto import ModelInferRequest, ModelInferResponse

from ..coalescing import CoalescingStage, Flight
from ..http import Handler, HttpRequest, HttpResponse
from ..pipeline import Computed
from ..signature import Reuse, Work
from .batching import mixed_up
from .json_bodies import JsonObject, inputs_of, json_object, with_inputs, with_json
from .registry import Behaviour, Context, grpc_defect, rest_defect, reuse_defect

# Who shares an execution, and who ends it.

_JOINED = "joined"
"""The name of a task that somebody joined."""


@reuse_defect(
    "two-fly-apart",
    breaks=["CACHE-007/once", "CACHE-007/leader leaves", "CACHE-007/follower leaves"],
)
class TwoFlyApart(CoalescingStage):
    """Runs what is asked for by many twice."""

    async def __call__(self, work: Work) -> Computed:
        """Has whoever comes second begin anew."""
        if work.key in self.flights:
            return await super().__call__(replace(work, key=b"second" + work.key))
        return await super().__call__(work)


@reuse_defect(
    "leader-takes-all-along", breaks=["CACHE-007/leader leaves", "CACHE-007/leader's deadline"]
)
class LeaderTakesAllAlong(CoalescingStage):
    """Ends the execution when who asked first is gone."""

    async def __call__(self, work: Work) -> Computed:
        """Lets followers go as they like."""
        if work.key in self.flights:
            return await super().__call__(work)
        return await self._to_the_end(work)

    async def _to_the_end(self, work: Work) -> Computed:
        try:
            return await super().__call__(work)
        except asyncio.CancelledError:
            begun = self.flights.get(work.key or b"")  # it goes on for those who have joined
            if begun is not None:
                begun.task.cancel()
            raise


@reuse_defect("follower-takes-all-along", breaks=["CACHE-007/follower leaves"])
class FollowerTakesAllAlong(CoalescingStage):
    """Ends the execution when one is gone who asked later."""

    async def __call__(self, work: Work) -> Computed:
        """Lets the leader go as it likes."""
        joined = self.flights.get(work.key or b"")
        try:
            return await super().__call__(work)
        except asyncio.CancelledError:
            if joined is not None:
                joined.task.cancel()
            raise


@reuse_defect("left-for-good", breaks=["CACHE-007/all leave"])
class LeftForGood(CoalescingStage):
    """Lets those who come later wait for an execution that all others have left."""

    async def __call__(self, work: Work) -> Computed:
        """Notes what several have asked."""
        flight = self.flights.get(work.key or b"")
        if flight is not None and work.reuse is Reuse.ALLOWED:
            flight.task.set_name(_JOINED)
        return await super().__call__(work)

    def _forget(self, key: bytes, flight: Flight) -> None:
        if flight.callers or flight.task.get_name() != _JOINED:
            super()._forget(key, flight)


# Who gets the answer of another.


def recalled(
    name: str, *, breaks: Sequence[str]
) -> Callable[[Callable[[JsonObject], JsonObject]], None]:
    """Register `question -> what counts of it`: the rest of a question does not tell it apart.

    Who asks a question anew that differs in the rest gets the old answer as it is.
    """

    def register(counting: Callable[[JsonObject], JsonObject]) -> None:
        answered: dict[str, tuple[JsonObject, HttpResponse]] = {}

        @rest_defect(name, breaks=breaks)
        async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
            question = json_object(request)
            if "/models/cached" not in request.target or not inputs_of(question):
                return await answer(request)
            key = json.dumps([request.target, counting(question)], sort_keys=True)
            old, response = answered.get(key, (question, None))
            if response is not None and old != question:
                return response
            response = await answer(request)
            if response.status == 200:
                answered.setdefault(key, (question, response))
            return response

    return register


@recalled("hits-with-the-first-id", breaks=["CACHE-003/id", "CACHE-010/id"])
def hits_with_the_first_id(question: JsonObject) -> JsonObject:
    """Keeps the id with the answer."""
    return {key: value for key, value in question.items() if key != "id"}


@recalled("hits-in-any-shape", breaks=["CACHE-002/shape", "CACHE-002/rows"])
def hits_in_any_shape(question: JsonObject) -> JsonObject:
    """Takes the same values of another shape for the same."""
    return with_inputs(question, lambda each: {**each, "shape": None})


@recalled("hits-of-any-datatype", breaks=["CACHE-002/datatype"])
def hits_of_any_datatype(question: JsonObject) -> JsonObject:
    """Takes the same bytes of another datatype for the same."""

    def as_bytes(each: JsonObject) -> JsonObject:
        data = each.get("data", ())
        if each.get("datatype") == "FP32":
            data = np.array(data, "<f4").view("<i4").tolist()
        return {**each, "datatype": None, "data": data}

    return with_inputs(question, as_bytes)


_first_ids: dict[bytes, str] = {}


@grpc_defect("grpc-hits-with-the-first-id", breaks=["CACHE-003/id over gRPC"])
async def grpc_hits_with_the_first_id(
    _method: str, request: Message, context: Context, answer: Behaviour
) -> Message:
    """Keeps the id with the answer."""
    response = await answer(request, context)
    if isinstance(request, ModelInferRequest) and request.model_name == "cached":
        id, request.id = request.id, ""
        if isinstance(response, ModelInferResponse):
            response.id = _first_ids.setdefault(request.SerializeToString(), id)
    return response


_first_users: dict[bytes, str] = {}


@rest_defect("hits-with-the-first-user", breaks=["CACHE-002/user"])
async def hits_with_the_first_user(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Keeps the name of the request with the answer."""
    response = await answer(request)
    name = request.headers.get("x-request-id")
    if name is None or "/models/cached" not in request.target:
        return response
    kept = ("X-Request-Id", _first_users.setdefault(request.body, name))
    return replace(response, headers=(*response.headers, kept))


_coded: set[bytes] = set()


@rest_defect("hits-as-they-were-coded", breaks=["CACHE-002/coding"])
async def hits_as_they_were_coded(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Keeps an answer in the coding that its first client wanted."""
    response = await answer(request)
    accepted = request.headers.get("accept-encoding")
    if accepted == "gzip":
        _coded.add(request.body)
    elif accepted == "identity" and request.body in _coded:
        coding = ("Content-Encoding", "gzip")
        return replace(response, body=compress(response.body), headers=(*response.headers, coding))
    return response


@mixed_up("errors-for-all", breaks=["CACHE-010/error"])
def errors_for_all(mine: HttpRequest, other: HttpRequest) -> HttpRequest | None:
    """Tells who asks for no output in particular what it tells who asks for a wrong one."""
    own, theirs = json_object(mine), json_object(other)
    same = mine.target == other.target and own.get("inputs") == theirs.get("inputs")
    if not same or "outputs" in own or "outputs" not in theirs:
        return None
    return with_json(mine, {**own, "outputs": theirs["outputs"]})
