"""The REST door: routes, and HTTP requests to answers of the service and back."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TypeAlias
from urllib.parse import unquote_to_bytes

from msgspec import json

from servespec.wire import rest as wire
from servespec.wire.messages import InferRequest, InferResponse

from .codec import Codec, size_of
from .errors import InvalidRequest, ShuttingDown
from .http import HttpRequest, HttpResponse
from .metrics import Metrics
from .probes import PROBES, probe_answer
from .routing import MODEL_VERSION, Asked
from .scheduling import deadline_in
from .service import Service
from .status import failure
from .timing import SERVER_TIMING, Timing

__all__ = ["RestDoor"]

_JSON = ("Content-Type", "application/json")
_BINARY = ("Content-Type", "application/octet-stream")
_HEADER_LENGTH = "Inference-Header-Content-Length"
_HEADER_LENGTH_KEY = _HEADER_LENGTH.lower()
_READ = ("GET", "HEAD")
_REPOSITORY = ("index", "load", "unload")

Operate: TypeAlias = Callable[[HttpRequest, str, str], Awaitable[HttpResponse]]
"""Answers what is asked of the repository: the request, the verb, and the model."""
_TIMING = "timing"
"""The note of a request that has its `Timing`."""


@dataclass(frozen=True, slots=True)
class Route:
    """What a path leads to.

    Attributes:
        verb: what is asked: "live", "ready", "startup", "metrics", "metadata" or "infer", or of the
            repository "index", "load" or "unload".
        model: its name; None for the server as a whole.
        version: its label, empty where the path has none.
    """

    verb: str
    model: str | None = None
    version: str = ""

    @property
    def methods(self) -> tuple[str, ...]:
        """The HTTP methods that it serves, besides OPTIONS."""
        return ("POST",) if self.verb in ("infer", *_REPOSITORY) else _READ


class RestDoor:
    """Answers HTTP requests; its `__call__` is a `Handler`."""

    def __init__(
        self,
        service: Service,
        metrics: Metrics,
        scrape: Callable[[str], HttpResponse],
        codec: Codec,
        operate: Operate | None = None,
    ) -> None:
        self._service = service
        self._codec = codec
        self._metrics = metrics
        self._scrape = scrape
        self._operate = operate

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer one request; every error becomes an error object."""
        route = find_route(request.target)
        if route is None or (route.verb in _REPOSITORY and self._operate is None):
            return _refused(404, f"no such route: {request.target.partition('?')[0][:200]}")
        if request.method not in route.methods:
            return _other_method(request.method, route)
        try:
            return await self._answer(request, route)
        except Exception as error:
            return _failed(error)

    async def _answer(self, request: HttpRequest, route: Route) -> HttpResponse:
        if route.verb in _REPOSITORY and self._operate is not None:
            return await self._operate(request, route.verb, route.model or "")
        if route.model is None:
            return await self._server(request, route.verb)
        if route.verb == "infer":
            return await self._timed(request, route.model, route.version)
        return self._model(route.verb, route.model, route.version)

    def observe(self, request: HttpRequest, status: int) -> None:
        """Count an inference request that has come to its end: an `Observer`."""
        route = find_route(request.target) if request.method == "POST" else None
        if route is not None and route.verb == "infer" and route.model is not None:
            timing = request.notes.get(_TIMING)  # of what never came to its handler there is none
            unserved = self._metrics.key(route.model, route.version)
            self._metrics.count(timing.key if timing else unserved, "rest", str(status))

    async def _server(self, request: HttpRequest, verb: str) -> HttpResponse:
        if verb == "metrics":  # in a thread: the first one takes its time
            return await asyncio.to_thread(self._scrape, request.headers.get("accept", ""))
        if verb in PROBES:
            return probe_answer(self._service.probes, verb)
        return HttpResponse(200, wire.encode_server_metadata(self._service.metadata), (_JSON,))

    def _model(self, verb: str, name: str, version: str) -> HttpResponse:
        if verb == "ready":
            ready = self._service.model_ready(name, version)
            return _json({"name": name, "ready": ready}, status=200 if ready else 503)
        metadata = self._service.model_metadata(name, version)
        return HttpResponse(200, wire.encode_model_metadata(metadata), (_JSON,))

    async def _timed(self, request: HttpRequest, name: str, version: str) -> HttpResponse:
        with Timing(self._metrics).of(self._metrics.key(name, version)) as timing:
            request.notes[_TIMING] = timing
            try:
                response = await self._infer(request, name, version, timing)
            except Exception as error:
                timing.failed(error)
                response = _failed(error)
            headers = (*response.headers, (SERVER_TIMING, timing.finish()))
            if timing.version:
                headers = (*headers, (MODEL_VERSION, timing.version))
            return HttpResponse(response.status, response.body, headers)

    async def _infer(
        self, request: HttpRequest, name: str, version: str, timing: Timing
    ) -> HttpResponse:
        if request.late:
            raise ShuttingDown("the server is shutting down")
        where = Asked(name, version, request.headers.get)
        choice = self._service.choose(where, timing)
        header_length = _header_length(request.headers)
        unreadable = _unreadable(request.headers.get("content-type"), header_length)
        if unreadable is not None:
            return unreadable
        timeout = request.headers.get("request-timeout")
        deadline = None if timeout is None else deadline_in(timeout)
        body = request.body
        decode = partial(wire.decode_request, name, version, body, header_length=header_length)
        asked = await self._codec.read(len(body), decode)
        cache_control = request.headers.get("cache-control", "")
        answer = await self._service.infer(
            where, choice, asked, timing, cache_control=cache_control, deadline=deadline
        )
        encode = partial(wire.encode_response, answer, _binary_outputs(asked, answer))
        body, length = await self._codec.run(size_of(answer.outputs), encode)
        if length is None:
            return HttpResponse(200, body, (_JSON,))
        return HttpResponse(200, body, (_BINARY, (_HEADER_LENGTH, str(length))))


@lru_cache(maxsize=256)
def find_route(target: str) -> Route | None:
    """Return where a request target leads, None for nowhere.

    Each segment is percent-decoded once, after the split: an encoded slash or dot stays a part of
    a model's name, and a name is only ever looked up, never made into a path.
    """
    try:
        segments = [_decoded(part) for part in target.partition("?")[0].split("/")]
    except UnicodeDecodeError:
        return None
    match segments:
        case ["", "v2", *rest]:
            return _protocol_route(rest)
        case ["", "livez" | "readyz" | "startupz" | "metrics" as verb]:
            return Route(verb.removesuffix("z"))
    return None


def _protocol_route(rest: list[str]) -> Route | None:
    match rest:
        case [] | [""]:
            return Route("metadata")
        case ["health", "live" | "ready" as verb]:
            return Route(verb)
        case ["repository", *rest]:
            return _repository_route(rest)
        case ["models", name, *rest]:
            return _model_route(name, rest)
    return None


def _repository_route(rest: list[str]) -> Route | None:
    match rest:
        case ["index"]:
            return Route("index")
        case ["models", name, "load" | "unload" as verb]:
            return Route(verb, name)
    return None


def _model_route(name: str, rest: list[str]) -> Route | None:
    match rest:
        case []:
            return Route("metadata", name)
        case ["ready" | "infer" as verb]:
            return Route(verb, name)
        case ["versions", version] if version:
            return Route("metadata", name, version)
        case ["versions", version, "ready" | "infer" as verb] if version:
            return Route(verb, name, version)
    return None


def _decoded(segment: str) -> str:
    return unquote_to_bytes(segment).decode() if "%" in segment else segment


def _header_length(headers: Mapping[str, str]) -> int | None:
    text = headers.get(_HEADER_LENGTH_KEY)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise InvalidRequest(f"{_HEADER_LENGTH}: expected a number of bytes, not {text[:40]!r}")
    return int(text)


def _unreadable(content_type: str | None, header_length: int | None) -> HttpResponse | None:
    """Return the refusal of a body that is neither JSON nor JSON with binary tensors behind it."""
    media_type = (content_type or "application/json").partition(";")[0].strip().lower()
    if media_type == "application/json":
        return None
    if media_type != "application/octet-stream":
        return _refused(
            415,
            f"Content-Type {media_type[:100]!r}; expected application/json, or "
            f"application/octet-stream with {_HEADER_LENGTH}",
        )
    if header_length is None:
        return _refused(415, f"application/octet-stream is read with {_HEADER_LENGTH} only")
    return None


def _binary_outputs(request: InferRequest, answer: InferResponse) -> frozenset[str]:
    """Return the outputs to send as bytes: what an output says of itself wins over the default."""
    default = request.binary_output
    if request.outputs:
        said = ((output.name, output.binary) for output in request.outputs)
        return frozenset(name for name, binary in said if (default if binary is None else binary))
    return frozenset(output.name for output in answer.outputs) if default else frozenset()


def _other_method(method: str, route: Route) -> HttpResponse:
    allowed = ", ".join((*route.methods, "OPTIONS"))
    if method == "OPTIONS":
        return HttpResponse(204, b"", (("Allow", allowed),))
    return _refused(
        405, f"method {method[:40]} on this route; expected {allowed}", ("Allow", allowed)
    )


def _json(value: object, status: int = 200) -> HttpResponse:
    return HttpResponse(status, json.encode(value), (_JSON,))


def _failed(error: Exception) -> HttpResponse:
    failed = failure(error)
    return _refused(failed.status.http, failed.text, *failed.headers)


def _refused(status: int, text: str, *headers: tuple[str, str]) -> HttpResponse:
    return HttpResponse(status, wire.encode_error(text), (_JSON, *headers))
