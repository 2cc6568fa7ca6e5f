"""Misbehaviours of batching: who runs together, when, and who gets which rows."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from ..batching import Forming, Group, Ticket
from ..errors import ComputeFailed
from ..http import Handler, HttpProtocol, HttpRequest, HttpResponse, error_response
from ..pipeline import Outcome
from ..signature import Work
from .json_bodies import JsonObject, inputs_of, json_object, with_inputs, with_json
from .registry import Running, batching_defect, engine_defect, http_defect, rest_defect

MAXIMUM = 32
"""Rows of the fixtures' batches."""
TOO_LONG = 0.1
COMPANY = 0.02
"""Seconds in which others come that a request is mixed up with."""

Mix = Callable[[HttpRequest, HttpRequest], HttpRequest | None]


# How batches are formed.


@batching_defect("batches-twice-the-maximum", breaks=["BATCH-003"])
class BatchesTwiceTheMaximum(Forming):
    """Adds requests up to twice the maximum."""

    def limit(self, group: Group) -> int:
        """What is not batched at all stays so."""
        most = super().limit(group)
        return 2 * most if most > 1 else most


@batching_defect("lone-callers-wait-long", breaks=["BATCH-004"])
class LoneCallersWaitLong(Forming):
    """Holds back whatever does not fill a batch, and far beyond the delay."""

    def held_until(self, group: Group) -> float:
        """Expects company for ever."""
        return 0.0 if self.is_complete(group) else group.tickets[0].arrived + TOO_LONG


@batching_defect("lone-callers-wait-long-sometimes", breaks=["BATCH-004"])
class LoneCallersWaitLongSometimes(Forming):
    """Forgets one caller in four for a while."""

    def held_until(self, group: Group) -> float:
        """Tosses for it by the time of arrival."""
        arrived = group.tickets[0].arrived
        forgotten = not self.is_complete(group) and int(arrived * 1e6) % 4 == 0
        return arrived + TOO_LONG if forgotten else super().held_until(group)


@batching_defect("never-batches", breaks=["BATCH-005", "GUIDE-005"])
class NeverBatches(Forming):
    """Runs one request at a time."""

    def limit(self, group: Group) -> int:
        """Whatever waits, one is enough."""
        return min(1, super().limit(group))


@batching_defect("newest-first", breaks=["BATCH-009"])
class NewestFirst(Forming):
    """Serves who came last."""

    def take(self, group: Group) -> list[Ticket]:
        """Takes from the wrong end."""
        group.tickets.reverse()
        batch = super().take(group)
        group.tickets.reverse()
        return batch


@batching_defect("smallest-first", breaks=["BATCH-009/starvation"])
class SmallestFirst(Forming):
    """Serves large requests when there are no small ones."""

    def take(self, group: Group) -> list[Ticket]:
        """Sorts what waits."""
        group.tickets = deque(sorted(group.tickets, key=lambda ticket: ticket.rows))
        return super().take(group)


# What is executed, and who gets it.


@engine_defect("company-rounds", breaks=["BATCH-001/bitwise"])
def company_rounds(works: Sequence[Work], run: Running) -> Sequence[Outcome]:
    """Computes in half precision where several share an execution."""
    return _rounded(works, run, {"y", "difference"})


@engine_defect("company-rounds-scores", breaks=["BATCH-001/tolerance"])
def company_rounds_scores(works: Sequence[Work], run: Running) -> Sequence[Outcome]:
    """Computes scores in half precision where several share an execution."""
    return _rounded(works, run, {"logits"})


def _rounded(works: Sequence[Work], run: Running, names: set[str]) -> Sequence[Outcome]:
    outcomes = run(works)
    if len(works) == 1:
        return outcomes
    return [
        outcome
        if isinstance(outcome, Exception)
        else [
            _half(array) if name in names else array
            for name, array in zip(work.outputs, outcome, strict=True)
        ]
        for work, outcome in zip(works, outcomes, strict=True)
    ]


def _half(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float16).astype(array.dtype) if array.dtype == np.float32 else array


@engine_defect("rows-of-the-neighbour", breaks=["BATCH-002/rows"])
def rows_of_the_neighbour(works: Sequence[Work], run: Running) -> Sequence[Outcome]:
    """Gives pairs of rows, where there are many in a batch, to the next caller."""
    outcomes = [*run(works)]
    pairs = [place for place, work in enumerate(works) if _shape(work) == (2, 1)]
    if len(pairs) > 2:
        moved = [outcomes[place] for place in pairs]
        for place, outcome in zip(pairs, moved[1:] + moved[:1], strict=True):
            outcomes[place] = outcome
    return outcomes


@engine_defect("poison-for-all", breaks=["BATCH-002/error"])
def poison_for_all(works: Sequence[Work], run: Running) -> Sequence[Outcome]:
    """Fails the whole batch when one row makes the model raise."""
    outcomes = run(works)
    errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    return [errors[0]] * len(works) if errors else outcomes


@engine_defect("oversized-fails", breaks=["BATCH-006"])
def oversized_fails(works: Sequence[Work], run: Running) -> Sequence[Outcome]:
    """Fails on a request beyond the maximum, as if that were its own mistake."""
    if any(_shape(work)[0] > MAXIMUM for work in works):
        return [ComputeFailed("the batch is too large")] * len(works)
    return run(works)


@engine_defect("oversized-cut", breaks=["BATCH-006"])
def oversized_cut(works: Sequence[Work], run: Running) -> Sequence[Outcome]:
    """Answers the rows up to the maximum."""
    return run([_rows(work, slice(MAXIMUM)) for work in works])


@engine_defect("oversized-whole", breaks=["BATCH-006"])
def oversized_whole(works: Sequence[Work], run: Running) -> Sequence[Outcome]:
    """Executes all rows of a request at once: what merges its halves does not count them."""
    if len(works) > 1 or _shape(works[0])[0] <= MAXIMUM:
        return run(works)
    half = _shape(works[0])[0] // 2
    first, second = run([_rows(works[0], part) for part in (slice(half), slice(half, None))])
    if isinstance(first, Exception) or isinstance(second, Exception):
        return [first]
    return [[np.concatenate(parts) for parts in zip(first, second, strict=True)]]


def _shape(work: Work) -> tuple[int, ...]:
    return next(iter(work.tensors.values())).shape


def _rows(work: Work, part: slice) -> Work:
    return replace(work, tensors={name: array[part] for name, array in work.tensors.items()})


# What is understood of a request beside others.


def mixed_up(name: str, *, breaks: Sequence[str]) -> Callable[[Mix], Mix]:
    """Register `(mine, other) -> request`: what an inference becomes beside another in flight.

    None: the other one is left alone.
    """

    def register(mix: Mix) -> Mix:
        in_flight: dict[Hashable, HttpRequest] = {}

        @rest_defect(name, breaks=breaks)
        async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
            if not request.target.endswith("/infer"):
                return await answer(request)
            caller = object()
            in_flight[caller] = request
            try:
                await asyncio.sleep(COMPANY)
                others = (mix(request, other) for other in in_flight.values())
                taken = next((one for one in others if one is not None), request)
            finally:
                del in_flight[caller]
            return await answer(taken)

        return mix

    return register


@mixed_up("malformed-made-whole", breaks=["BATCH-002/malformed"])
def malformed_made_whole(mine: HttpRequest, other: HttpRequest) -> HttpRequest | None:
    """Takes two requests whose elements add up to those of two valid ones for just these."""
    own, theirs = (inputs_of(json_object(request)) for request in (mine, other))
    if not all(len(inputs) == 1 and inputs[0]["shape"] == [2, 2] for inputs in (own, theirs)):
        return None
    data, rest = own[0]["data"], theirs[0]["data"]
    if len(data) == 4 or len(data) + len(rest) != 8:
        return None
    whole = (data + rest[-1:])[:4]
    return with_json(mine, with_inputs(json_object(mine), lambda each: {**each, "data": whole}))


@mixed_up("ids-mixed-up", breaks=["BATCH-002/id and parameters"])
def ids_mixed_up(mine: HttpRequest, other: HttpRequest) -> HttpRequest | None:
    """Answers under the id of another who gives parameters."""
    return _with_theirs(mine, other, "id") if json_object(mine).get("parameters") else None


@mixed_up("outputs-mixed-up", breaks=["BATCH-007/outputs"])
def outputs_mixed_up(mine: HttpRequest, other: HttpRequest) -> HttpRequest | None:
    """Answers the outputs that another asks for."""
    return _with_theirs(mine, other, "outputs")


@mixed_up("parameters-mixed-up", breaks=["BATCH-007/parameters"])
def parameters_mixed_up(mine: HttpRequest, other: HttpRequest) -> HttpRequest | None:
    """Takes the parameters of another."""
    binary = "binary_data_output" in json_object(mine).get("parameters", {})
    return _with_theirs(mine, other, "parameters") if binary else None


def _with_theirs(mine: HttpRequest, other: HttpRequest, member: str) -> HttpRequest | None:
    """My request with their member, where both have it, of different values, for one model."""
    own, theirs = json_object(mine), json_object(other)
    both = mine.target == other.target and member in own and member in theirs
    if not both or own[member] == theirs[member]:
        return None
    return with_json(mine, {**own, member: theirs[member]})


@mixed_up("versions-merged", breaks=["BATCH-007/versions"])
def versions_merged(mine: HttpRequest, other: HttpRequest) -> HttpRequest | None:
    """Answers with the version that another asks for."""
    parts, theirs = mine.target.split("/versions/"), other.target.split("/versions/")
    same_model = len(parts) == len(theirs) == 2 and parts[0] == theirs[0]
    return replace(mine, target=other.target) if same_model and parts != theirs else None


@mixed_up("datatypes-merged", breaks=["BATCH-007/datatypes"])
def datatypes_merged(mine: HttpRequest, other: HttpRequest) -> HttpRequest | None:
    """Takes integers for the floats that somebody sends to another model."""
    if not mine.target.endswith("/spin/infer") or not other.target.endswith("/row_sum/infer"):
        return None
    floats: dict[str, Any] = {"name": "x", "datatype": "FP32"}
    question = with_inputs(json_object(mine), lambda each: {**each, **floats})
    return with_json(replace(mine, target=other.target), question)


@mixed_up("widths-merged", breaks=["BATCH-007/shapes"])
def widths_merged(mine: HttpRequest, other: HttpRequest) -> HttpRequest | None:
    """Fills rows up with zeros to the width of another's."""
    own, theirs = json_object(mine), json_object(other)
    if mine.target != other.target or len(inputs_of(own)) != 2:
        return None
    wider = inputs_of(theirs)[0]["shape"][1]

    def widened(each: JsonObject) -> JsonObject:
        (rows, width), data = each["shape"], each["data"]
        lines = [data[row * width :][:width] + [0.0] * (wider - width) for row in range(rows)]
        return {**each, "shape": [rows, wider], "data": [*chain(*lines)]}

    narrower = inputs_of(own)[0]["shape"][1] < wider
    return with_json(mine, with_inputs(own, widened)) if narrower else None


# What becomes of the others when one leaves.

_departures: Counter[str] = Counter()


@rest_defect("leaver-fails-the-others", breaks=["BATCH-008/queued", "BATCH-008/executing"])
async def leaver_fails_the_others(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Gives up on all requests to a model when the client of one is gone."""
    before = _departures[request.target]
    try:
        response = await answer(request)
    except asyncio.CancelledError:
        _departures[request.target] += 1
        raise
    if _departures[request.target] != before:
        return error_response(500, "the batch was cancelled")
    return response


@http_defect("hanging-up-ends-the-others", breaks=["BATCH-008/answering"])
class HangingUpEndsTheOthers(HttpProtocol):
    """Closes the connections of all who wait when a client does not take its answer."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Takes the end of one for the end of all."""
        hung_up = exc is not None and self._task is None
        super().connection_lost(exc)
        for other in tuple(self._connections.open) if hung_up else ():
            if other.active:
                other.transport.abort()
