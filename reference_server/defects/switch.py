"""Switches defects on and off while the server runs, over a door of its own."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any
from weakref import WeakSet

import grpc
from google.protobuf.message import Message

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
from .registry import Behaviour, Context, Defect, GrpcDefect, RestDefect, known_defects

__all__ = ["DefectSwitch", "UnknownDefect"]


class UnknownDefect(LookupError):
    """No defect has that name."""


class DefectSwitch(grpc.aio.ServerInterceptor):
    """The active defects, wrapped around the REST handler, the gRPC methods and HTTP itself."""

    def __init__(self) -> None:
        self.active: tuple[Defect, ...] = ()
        self._protocol: type[HttpProtocol] = HttpProtocol
        self._made: WeakSet[HttpProtocol] = WeakSet()

    def activate(self, names: Iterable[str]) -> None:
        """Switch these on, in this order, and all others off.

        Requests and connections that come later are served accordingly; idle connections are
        closed where HTTP itself changes.

        Raises:
            UnknownDefect: nothing has changed.
        """
        self.active = tuple(map(_known, dict.fromkeys(names)))
        overrides = [defect.http for defect in self.active if defect.http is not None]
        protocol = type("DefectiveProtocol", tuple(overrides), {}) if overrides else HttpProtocol
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

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler of a gRPC method; None, which is UNIMPLEMENTED, where a defect hides it."""
        for defect in self.active:
            if defect.grpc_route is not None and not defect.grpc_route(details.method):
                return None
        return await continuation(details)

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


def _behind_grpc(defect: GrpcDefect, method: str, answer: Behaviour) -> Behaviour:
    return lambda request, context: defect(method, request, context, answer)
