"""Every deliberate misbehaviour by name, and the requirements that it breaks."""

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.message import Message
from grpc.aio import ServicerContext

from ..http import Handler, HttpProtocol, HttpRequest, HttpResponse

__all__ = [
    "Behaviour",
    "Context",
    "Defect",
    "GrpcDefect",
    "GrpcRoute",
    "RestDefect",
    "grpc_defect",
    "grpc_route_defect",
    "http_defect",
    "known_defects",
    "rest_defect",
]

Context = ServicerContext[Message, Message]
Behaviour = Callable[[Message, Context], Awaitable[Message]]
RestDefect = Callable[[HttpRequest, Handler], Awaitable[HttpResponse]]
GrpcDefect = Callable[[str, Message, Context, Behaviour], Awaitable[Message]]
GrpcRoute = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Defect:
    """One misbehaviour: with it on, of its profile's requirements exactly `breaks` fail.

    One of the last four is set: it wraps the REST handler, wraps each unary gRPC method, says
    which gRPC methods are served, or is the HTTP protocol with one method overridden.
    """

    name: str
    breaks: tuple[str, ...]
    rest: RestDefect | None = None
    grpc: GrpcDefect | None = None
    grpc_route: GrpcRoute | None = None
    http: type[HttpProtocol] | None = None


_registry: dict[str, Defect] = {}


def known_defects() -> Mapping[str, Defect]:
    """All of them: every module beside this one is imported, so that a new file is enough."""
    package = __name__.rpartition(".")[0]
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        importlib.import_module(f"{package}.{module.name}")
    return _registry


def rest_defect(name: str, *, breaks: Sequence[str]) -> Callable[[RestDefect], RestDefect]:
    """Register `async (request, answer) -> response`, where `answer` is the sound handler."""

    def register(defect: RestDefect) -> RestDefect:
        _register(Defect(name, tuple(breaks), rest=defect))
        return defect

    return register


def grpc_defect(name: str, *, breaks: Sequence[str]) -> Callable[[GrpcDefect], GrpcDefect]:
    """Register `async (method, request, context, answer) -> message`.

    `method` is the bare name, such as ModelInfer; the sound answer is `answer(request, context)`.
    """

    def register(defect: GrpcDefect) -> GrpcDefect:
        _register(Defect(name, tuple(breaks), grpc=defect))
        return defect

    return register


def grpc_route_defect(name: str, *, breaks: Sequence[str]) -> Callable[[GrpcRoute], GrpcRoute]:
    """Register `path -> served`, the path being `/package.Service/Method`."""

    def register(defect: GrpcRoute) -> GrpcRoute:
        _register(Defect(name, tuple(breaks), grpc_route=defect))
        return defect

    return register


def http_defect(
    name: str, *, breaks: Sequence[str]
) -> Callable[[type[HttpProtocol]], type[HttpProtocol]]:
    """Register a subclass of the HTTP protocol that overrides one small method."""

    def register(defect: type[HttpProtocol]) -> type[HttpProtocol]:
        _register(Defect(name, tuple(breaks), http=defect))
        return defect

    return register


def _register(defect: Defect) -> None:
    if defect.name in _registry:
        raise ValueError(f"two defects are named {defect.name}")
    _registry[defect.name] = defect
