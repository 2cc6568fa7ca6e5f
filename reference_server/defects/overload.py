"""Misbehaviours under overload: of the queue, of refusals, of deadlines, towards slow clients."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import ClassVar

from google.protobuf.message import Message
from grpc import StatusCode

from servespec.wire.proto import ModelInferRequest

from ..batching import Forming, Group, Ticket
from ..errors import Overloaded
from ..http import Handler, HttpProtocol, HttpRequest, HttpResponse, error_response
from ..http.reader import Phase
from ..pipeline import Outcome
from ..signature import Work
from .grpc_messages import code_defect
from .grpc_messages import question_defect as call_defect
from .json_bodies import JsonObject, question_defect
from .registry import (
    Behaviour,
    Context,
    Running,
    batching_defect,
    engine_defect,
    grpc_defect,
    http_defect,
    rest_defect,
)

BUSY = (429, 503)
MANY = 6
"""Who waits behind so many is in a crowd."""
CROWD = 8
"""In flight at once: only a crowd of callers is."""
SMALL = 1000
"""Bytes that come alone of a slow client."""
LARGE = 1 << 20
"""Bytes of a tensor that takes its time."""

# The queue.


@batching_defect("queue-without-bound", breaks=["LOAD-001/refused"])
class QueueWithoutBound(Forming):
    """Has room for everybody."""

    def is_full(self, _waiting: int) -> bool:
        """Never."""
        return False


@batching_defect("thrashes", breaks=["LOAD-001/goodput"])
class Thrashes(Forming):
    """Spends its time on the queue when that is long."""

    def take(self, group: Group) -> list[Ticket]:
        """Looks at each for a while."""
        if len(group.tickets) > MANY:
            time.sleep(0.01 * len(group.tickets))
        return super().take(group)


@batching_defect("priorities-ignored", breaks=["EXT-SCHED-001/order"])
class PrioritiesIgnored(Forming):
    """Serves who came first."""

    def priority(self, _work: Work) -> int:
        """All are equal."""
        return 0


@question_defect("no-priority-is-the-first", breaks=["EXT-SCHED-001/default"])
def _(question: JsonObject) -> JsonObject:
    """Takes 0 for what goes before 1."""
    return _with_parameter(question, "priority", 0, 1)


@batching_defect("aborted-clients-are-served", breaks=["HTTP-018/queue"])
class AbortedClientsAreServed(Forming):
    """Works off what has come in, whoever is still there."""

    def has_left(self, _ticket: Ticket) -> bool:
        """Does not look."""
        return False


@batching_defect(
    "too-late-is-executed", breaks=["EXT-SCHED-003", "LOAD-007/waiting", "LOAD-007/header"]
)
class TooLateIsExecuted(Forming):
    """Tells callers that their time is over, and computes their answers all the same."""

    def has_left(self, ticket: Ticket) -> bool:
        """Keeps those who had a deadline."""
        return ticket.work.deadline is None and super().has_left(ticket)

    def is_expired(self, _ticket: Ticket) -> bool:
        """Does not look at the clock."""
        return False


_elsewhere = ThreadPoolExecutor(4, "defect")


@engine_defect("runs-to-the-end", breaks=["LOAD-008"])
def runs_to_the_end(works: Sequence[Work], run: Running) -> Sequence[Outcome]:
    """Computes in a thread that nobody can interrupt."""
    return _elsewhere.submit(run, works).result()


# What is understood, and what is told.


@question_defect("timeouts-ignored", breaks=["EXT-SCHED-002/rest"])
def _(question: JsonObject) -> JsonObject:
    """Knows no timeout of a tenth of a second."""
    return _with_parameter(question, "timeout", 100_000, 0)


@call_defect("grpc-timeouts-ignored", breaks=["EXT-SCHED-002/grpc"])
def _(request: ModelInferRequest) -> None:
    """Knows no timeout."""
    request.parameters.pop("timeout", None)


def _with_parameter(question: JsonObject, name: str, value: int, other: int) -> JsonObject:
    parameters = question.get("parameters")
    if not isinstance(parameters, dict) or parameters.get(name) != value:
        return question
    return {**question, "parameters": {**parameters, name: other}}


code_defect("grpc-overload-is-a-fault", Overloaded, StatusCode.INTERNAL, breaks=["LOAD-001/grpc"])


@rest_defect("refuses-slowly", breaks=["LOAD-002"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Thinks about it for long."""
    response = await answer(request)
    if response.status in BUSY:
        await asyncio.sleep(0.2)
    return response


@rest_defect("refuses-without-a-word", breaks=["HTTP-011"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Leaves the client with a number."""
    response = await answer(request)
    return replace(response, body=b"") if response.status in BUSY else response


@rest_defect("no-retry-after", breaks=["HTTP-012"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Does not say when to come again."""
    response = await answer(request)
    headers = tuple(field for field in response.headers if field[0] != "Retry-After")
    return replace(response, headers=headers)


_refused: list[float] = []


@rest_defect("never-recovers", breaks=["LOAD-003"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Is tired for seconds after it had to refuse many."""
    now = time.monotonic()
    response = await answer(request)
    if response.status in BUSY:
        _refused[:] = [*_refused[-60:], now]
    elif len(_refused) > 60 and 0.5 < now - _refused[-1] < now - _refused[0] < 5:
        await asyncio.sleep(0.2)
    return response


_starved: list[float] = [0.0]


@rest_defect("memory-taken-from-neighbours", breaks=["GUIDE-006"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Has nothing left for others after a request that did not fit."""
    if "/ballast/" not in request.target and time.monotonic() - _starved[0] < 0.3:
        return error_response(503, "out of memory")
    response = await answer(request)
    if "/ballast/" in request.target and response.status == 503:
        _starved[0] = time.monotonic()
    return response


@rest_defect("too-large-models-look-loaded", breaks=["GUIDE-009"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Says that a model is ready which it could not load."""
    if request.target.endswith("/heavy/ready"):
        return HttpResponse(200, b"")
    return await answer(request)


_in_flight: list[HttpRequest] = []


@rest_defect("crossed-in-a-crowd", breaks=["LOAD-005"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Takes the oldest of many requests in flight for the new one, now and then."""
    if not request.target.endswith("/infer"):
        return await answer(request)
    crossed = len(_in_flight) >= CROWD and hash(request.body) % 3 == 0
    taken = replace(request, body=_in_flight[0].body) if crossed else request
    _in_flight.append(request)
    try:
        return await answer(taken)
    finally:
        _in_flight.remove(request)


@grpc_defect("late-answers-block", breaks=["LOAD-007/answering"])
async def _(_method: str, request: Message, context: Context, answer: Behaviour) -> Message:
    """Writes a large answer that may come too late with all of its attention."""
    response = await answer(request, context)
    left = context.time_remaining()
    if request.ByteSize() > LARGE and left is not None and left < 1:
        time.sleep(1.5)  # noqa: ASYNC251  # it blocks: that is the defect
    return response


# Slow clients.


@http_defect("slow-headers-block", breaks=["HTTP-017/header"])
class SlowHeadersBlock(HttpProtocol):
    """Waits for the rest of a head."""

    def data_received(self, data: bytes) -> None:
        """Gives nobody else the turn meanwhile."""
        super().data_received(data)
        if self.phase is Phase.HEAD:
            time.sleep(0.002)


@http_defect("slow-bodies-block", breaks=["HTTP-017/body"])
class SlowBodiesBlock(HttpProtocol):
    """Waits for the rest of a body."""

    def data_received(self, data: bytes) -> None:
        """Gives nobody else the turn meanwhile."""
        super().data_received(data)
        if self.phase is Phase.BODY and len(data) < SMALL:
            time.sleep(0.002)


@http_defect("unread-answers-block", breaks=["HTTP-017/unread"])
class UnreadAnswersBlock(HttpProtocol):
    """Looks after those who do not read before it reads anything itself."""

    unread: ClassVar[set[HttpProtocol]] = set()

    def pause_writing(self) -> None:
        """One more."""
        super().pause_writing()
        self.unread.add(self)

    def resume_writing(self) -> None:
        """One less."""
        self.unread.discard(self)
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """One less."""
        self.unread.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Takes its time for them."""
        if self.unread and len(data) < SMALL:
            time.sleep(0.1)
        super().data_received(data)


@http_defect("keeps-what-was-aborted", breaks=["HTTP-018/memory"])
class KeepsWhatWasAborted(HttpProtocol):
    """Keeps what it has read of a request, in case the client comes again."""

    kept: ClassVar[list[bytes | bytearray]] = []

    def forget(self) -> None:
        """Puts the body aside."""
        self.kept.append(self._body)
        super().forget()
