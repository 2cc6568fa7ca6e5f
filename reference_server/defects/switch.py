"""Switches defects on and off while the server runs, over a door of its own."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from threading import Event
from typing import Any, TypeVar
from weakref import WeakSet

import grpc
from google.protobuf.message import Message

from ..batching import BatchQueue, Forming
from ..http import (
    Connections,
    Handler,
    HttpLimits,
    HttpProtocol,
    HttpRequest,
    HttpResponse,
    HttpServer,
    error_response,
)
from ..lifecycle import Lifecycle
from ..mirroring import Mirror
from ..pipeline import Execute, Outcome
from ..probes import Probes
from ..reusing import Part
from ..routing import Router
from ..signature import Work
from .registry import (
    Behaviour,
    Context,
    Defect,
    EngineDefect,
    GrpcDefect,
    GrpcStreamDefect,
    RestDefect,
    Running,
    known_defects,
)

__all__ = ["DefectSwitch", "UnknownDefect"]


Class = TypeVar("Class")


class UnknownDefect(LookupError):
    """No defect has that name."""


class DefectSwitch(grpc.aio.ServerInterceptor):
    """The active defects, wrapped around REST, the gRPC methods, HTTP itself and the engines.

    The server's life, its answers to probes, what chooses versions, what asks shadows and what
    forms batches are there once, and hold state: they change their class.
    """

    def __init__(
        self,
        lifecycle: Lifecycle | None = None,
        probes: Probes | None = None,
        router: Router | None = None,
        mirror: Mirror | None = None,
    ) -> None:
        self.active: tuple[Defect, ...] = ()
        self._protocol: type[HttpProtocol] = HttpProtocol
        self._made: WeakSet[HttpProtocol] = WeakSet()
        self._lifecycle = lifecycle
        self._probes = probes
        self._router = router
        self._mirror = mirror
        self._engine: tuple[Sequence[EngineDefect], Event] = ((), Event())
        self._forming: WeakSet[Forming] = WeakSet()
        self._parts: list[tuple[Part, type[Part]]] = []

    def activate(self, names: Iterable[str]) -> None:
        """Switch these on, in this order, and all others off.

        Requests and connections that come later are served accordingly; idle connections are
        closed where HTTP itself changes.

        Raises:
            UnknownDefect: nothing has changed.
        """
        self.active = tuple(map(_known, dict.fromkeys(names)))
        if self._lifecycle is not None:
            self._lifecycle.__class__ = _class(Lifecycle, [one.lifecycle for one in self.active])
        if self._probes is not None:
            self._probes.__class__ = _class(Probes, [one.probes for one in self.active])
        if self._router is not None:
            self._router.__class__ = _class(Router, [one.router for one in self.active])
        if self._mirror is not None:
            self._mirror.__class__ = _class(Mirror, [one.mirror for one in self.active])
        for forming in self._forming:
            self._form(forming)
        for part, sound in self._parts:
            self._reuse(part, sound)
        self._switch_engines()
        protocol = _class(HttpProtocol, [one.http for one in self.active])
        if protocol is not self._protocol:
            self._protocol = protocol
            for connection in tuple(self._made):
                connection.retire()

    def wrap_rest(self, handler: Handler) -> Handler:
        """The handler behind the REST defects that are active when a request comes."""

        async def defective(request: HttpRequest) -> HttpResponse:
            answer = handler
            for defect in self.active:
                if defect.rest is not None:
                    answer = _behind_rest(defect.rest, answer)
            return await answer(request)

        return defective

    def wrap_grpc(self, method: str, behaviour: Behaviour) -> Behaviour:
        """A unary method behind the gRPC defects that are active when a call comes."""

        async def defective(request: Message, context: Context) -> Message:
            answer = behaviour
            for defect in self.active:
                if defect.grpc is not None:
                    answer = _behind_grpc(defect.grpc, method, answer)
            return await answer(request, context)

        return defective

    def wrap_engine(self, model: str, version: str, execute: Execute) -> Execute:
        """The execution of a model's batches behind the engine defects that are then active."""

        def defective(works: Sequence[Work]) -> Sequence[Outcome]:
            answer = execute
            defects, off = self._engine
            for defect in defects:
                answer = _behind_engine(defect, Running(model, version, answer, off))
            return answer(works)

        return defective

    def wrap_queue(self, queue: BatchQueue) -> None:
        """Have the batches of this queue formed as the active defects have it."""
        self._forming.add(queue.forming)
        self._form(queue.forming)

    def wrap_part(self, part: Part) -> None:
        """Have a part of caching or coalescing behave as the active defects have it."""
        self._parts.append((part, type(part)))
        self._reuse(part, type(part))

    def _reuse(self, part: Part, sound: type[Part]) -> None:
        overrides = [one.reuse for one in self.active if one.reuse is not None]
        part.__class__ = _class(sound, [one for one in overrides if issubclass(one, sound)])

    def _form(self, forming: Forming) -> None:
        forming.__class__ = _class(Forming, [one.batching for one in self.active])

    def _switch_engines(self) -> None:
        _, off = self._engine
        defects = [one.engine for one in self.active if one.engine is not None]
        self._engine = defects, Event()  # at once: engines read it in their threads
        off.set()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler of a gRPC method; None, which is UNIMPLEMENTED, where a defect hides it."""
        for defect in self.active:
            if defect.grpc_route is not None and not defect.grpc_route(details.method):
                return None
        handler = await continuation(details)
        for defect in self.active:
            if defect.grpc_stream is not None and handler and handler.unary_stream:
                handler = _behind_stream(defect.grpc_stream, handler)
        return handler

    def protocol(
        self, handler: Handler, limits: HttpLimits, connections: Connections
    ) -> HttpProtocol:
        """The protocol of a new connection, for `HttpServer(protocol=...)`."""
        made = self._protocol(handler, limits, connections)
        self._made.add(made)
        return made

    def server(self, port: int) -> HttpServer:
        """The switch's own door, on the loopback interface only: GET and PUT /defects."""
        return HttpServer(self.answer, host="127.0.0.1", port=port)

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Say what can be switched on, or switch the named defects on and all others off."""
        if request.target != "/defects":
            return error_response(404, "there is only /defects")
        if request.method not in ("GET", "PUT"):
            return error_response(405, "expected GET or PUT", (("Allow", "GET, PUT"),))
        if request.method == "PUT":
            try:
                self.activate(_names(request.body))
            except (UnknownDefect, ValueError) as error:
                return error_response(400, str(error))
            await asyncio.sleep(0)  # retired connections are closed before this is answered
        return HttpResponse(200, self._listing(), (("Content-Type", "application/json"),))

    def _listing(self) -> bytes:
        listing = {
            name: {"breaks": defect.breaks, "active": defect in self.active}
            for name, defect in known_defects().items()
        }
        return json.dumps(listing).encode()


def _known(name: str) -> Defect:
    defect = known_defects().get(name)
    if defect is None:
        raise UnknownDefect(f"no defect is named {name!r}")
    return defect


def _class(sound: type[Class], overrides: Iterable[type[Class] | None]) -> type[Class]:
    """Return the class with all that the defects override."""
    bases = tuple(override for override in overrides if override is not None)
    return type(f"Defective{sound.__name__}", bases, {}) if bases else sound


def _names(body: bytes) -> Sequence[str]:
    try:
        names = json.loads(body)
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("expected a JSON list of the names of defects")
    return names


def _behind_rest(defect: RestDefect, answer: Handler) -> Handler:
    return lambda request: defect(request, answer)


def _behind_stream(defect: GrpcStreamDefect, handler: Any) -> "grpc.RpcMethodHandler[Any, Any]":
    async def defective(request: Message, context: Context) -> AsyncIterator[Message]:
        async for message in defect(request, context, handler.unary_stream):
            yield message  # in a generator of our own: grpc looks at what it calls

    return grpc.unary_stream_rpc_method_handler(
        defective, handler.request_deserializer, handler.response_serializer
    )


def _behind_grpc(defect: GrpcDefect, method: str, answer: Behaviour) -> Behaviour:
    return lambda request, context: defect(method, request, context, answer)


def _behind_engine(defect: EngineDefect, running: Running) -> Execute:
    return lambda works: defect(works, running)
