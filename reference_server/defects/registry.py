"""Every deliberate misbehaviour by name, and the requirements that it breaks."""

import importlib
import pkgutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event

from google.protobuf.message import Message
from grpc.aio import ServicerContext

from ..batching import Forming
from ..http import Handler, HttpProtocol, HttpRequest, HttpResponse
from ..lifecycle import Lifecycle
from ..mirroring import Mirror
from ..pipeline import Execute, Outcome
from ..probes import Probes
from ..reusing import Part
from ..routing import Router
from ..signature import Work

__all__ = [
    "Behaviour",
    "Context",
    "Defect",
    "EngineDefect",
    "GrpcDefect",
    "GrpcRoute",
    "GrpcStreamDefect",
    "RestDefect",
    "Running",
    "Stream",
    "add_defect",
    "batching_defect",
    "engine_defect",
    "grpc_defect",
    "grpc_route_defect",
    "grpc_stream_defect",
    "http_defect",
    "known_defects",
    "lifecycle_defect",
    "mirror_defect",
    "probe_defect",
    "rest_defect",
    "reuse_defect",
    "router_defect",
]

Context = ServicerContext[Message, Message]
Behaviour = Callable[[Message, Context], Awaitable[Message]]
RestDefect = Callable[[HttpRequest, Handler], Awaitable[HttpResponse]]
GrpcDefect = Callable[[str, Message, Context, Behaviour], Awaitable[Message]]
GrpcRoute = Callable[[str], bool]
Stream = Callable[[Message, Context], AsyncIterator[Message]]
GrpcStreamDefect = Callable[[Message, Context, Stream], AsyncIterator[Message]]


@dataclass(frozen=True, slots=True)
class Running:
    """The sound execution of batches behind an engine defect: call it as one calls an `Execute`.

    Attributes:
        model: its name.
        version: its label.
        execute: what is behind.
        off: set when the defects are switched anew, so that a defect can wait for its own end.
    """

    model: str
    version: str
    execute: Execute
    off: Event

    def __call__(self, works: Sequence[Work]) -> Sequence[Outcome]:
        """Compute a batch."""
        return self.execute(works)


EngineDefect = Callable[[Sequence[Work], Running], Sequence[Outcome]]


@dataclass(frozen=True, slots=True)
class Defect:
    """One misbehaviour: with it on, of its profile's requirements exactly `breaks` fail.

    One of the fields after `breaks` is set: it wraps the REST handler, wraps each unary gRPC
    method or each that streams its answers, says which gRPC methods are served, wraps the execution
    of batches, or is a class with one method overridden.
    """

    name: str
    breaks: tuple[str, ...]
    rest: RestDefect | None = None
    grpc: GrpcDefect | None = None
    grpc_stream: GrpcStreamDefect | None = None
    grpc_route: GrpcRoute | None = None
    engine: EngineDefect | None = None
    batching: type[Forming] | None = None
    http: type[HttpProtocol] | None = None
    lifecycle: type[Lifecycle] | None = None
    probes: type[Probes] | None = None
    reuse: type[Part] | None = None
    router: type[Router] | None = None
    mirror: type[Mirror] | None = None


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
        add_defect(Defect(name, tuple(breaks), rest=defect))
        return defect

    return register


def grpc_defect(name: str, *, breaks: Sequence[str]) -> Callable[[GrpcDefect], GrpcDefect]:
    """Register `async (method, request, context, answer) -> message`.

    `method` is the bare name, such as ModelInfer; the sound answer is `answer(request, context)`.
    """

    def register(defect: GrpcDefect) -> GrpcDefect:
        add_defect(Defect(name, tuple(breaks), grpc=defect))
        return defect

    return register


def grpc_stream_defect(
    name: str, *, breaks: Sequence[str]
) -> Callable[[GrpcStreamDefect], GrpcStreamDefect]:
    """Register `async (request, context, answers)`, which yields messages.

    The sound ones are `answers(request, context)`.
    """

    def register(defect: GrpcStreamDefect) -> GrpcStreamDefect:
        add_defect(Defect(name, tuple(breaks), grpc_stream=defect))
        return defect

    return register


def grpc_route_defect(name: str, *, breaks: Sequence[str]) -> Callable[[GrpcRoute], GrpcRoute]:
    """Register `path -> served`, the path being `/package.Service/Method`."""

    def register(defect: GrpcRoute) -> GrpcRoute:
        add_defect(Defect(name, tuple(breaks), grpc_route=defect))
        return defect

    return register


def engine_defect(name: str, *, breaks: Sequence[str]) -> Callable[[EngineDefect], EngineDefect]:
    """Register `(works, run) -> outcomes`, called in a thread of an engine.

    The sound outcomes are `run(works)`. What it raises kills the thread.
    """

    def register(defect: EngineDefect) -> EngineDefect:
        add_defect(Defect(name, tuple(breaks), engine=defect))
        return defect

    return register


def batching_defect(
    name: str, *, breaks: Sequence[str]
) -> Callable[[type[Forming]], type[Forming]]:
    """Register a subclass of what forms batches that overrides one small method.

    Models that are not batched are formed by it too, with a `max_rows` of 1.
    """

    def register(defect: type[Forming]) -> type[Forming]:
        add_defect(Defect(name, tuple(breaks), batching=defect))
        return defect

    return register


def http_defect(
    name: str, *, breaks: Sequence[str]
) -> Callable[[type[HttpProtocol]], type[HttpProtocol]]:
    """Register a subclass of the HTTP protocol that overrides one small method."""

    def register(defect: type[HttpProtocol]) -> type[HttpProtocol]:
        add_defect(Defect(name, tuple(breaks), http=defect))
        return defect

    return register


def lifecycle_defect(
    name: str, *, breaks: Sequence[str]
) -> Callable[[type[Lifecycle]], type[Lifecycle]]:
    """Register a subclass of the server's life that overrides one small method."""

    def register(defect: type[Lifecycle]) -> type[Lifecycle]:
        add_defect(Defect(name, tuple(breaks), lifecycle=defect))
        return defect

    return register


def probe_defect(name: str, *, breaks: Sequence[str]) -> Callable[[type[Probes]], type[Probes]]:
    """Register a subclass of the answers to probes, on every plane, that overrides one of them."""

    def register(defect: type[Probes]) -> type[Probes]:
        add_defect(Defect(name, tuple(breaks), probes=defect))
        return defect

    return register


def reuse_defect(name: str, *, breaks: Sequence[str]) -> Callable[[type[Part]], type[Part]]:
    """Register a subclass of a part of caching or coalescing that overrides one small method.

    The parts are those of `reusing`: keys, stages and where answers are kept.
    """

    def register(defect: type[Part]) -> type[Part]:
        add_defect(Defect(name, tuple(breaks), reuse=defect))
        return defect

    return register


def router_defect(name: str, *, breaks: Sequence[str]) -> Callable[[type[Router]], type[Router]]:
    """Register a subclass of what chooses versions that overrides one small method."""

    def register(defect: type[Router]) -> type[Router]:
        add_defect(Defect(name, tuple(breaks), router=defect))
        return defect

    return register


def mirror_defect(name: str, *, breaks: Sequence[str]) -> Callable[[type[Mirror]], type[Mirror]]:
    """Register a subclass of what asks shadows that overrides one small method."""

    def register(defect: type[Mirror]) -> type[Mirror]:
        add_defect(Defect(name, tuple(breaks), mirror=defect))
        return defect

    return register


def add_defect(defect: Defect) -> None:
    """Make it known; of use where a misbehaviour has several parts."""
    if defect.name in _registry:
        raise ValueError(f"two defects are named {defect.name}")
    _registry[defect.name] = defect
