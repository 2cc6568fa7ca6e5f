"""The gRPC door: calls to answers of the service and back, beside health and reflection."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from functools import partial
from time import monotonic
from typing import Any, TypeAlias, TypeVar, cast

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from grpc import StatusCode
from grpc.aio import Server, ServicerContext
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from servespec.wire import grpc as wire
from servespec.wire import proto
from servespec.wire.datatypes import DATATYPES
from servespec.wire.fields import check_fields
from servespec.wire.messages import WireError

from .codec import Codec, size_of
from .grpc_limits import GrpcLimits
from .metrics import Metrics
from .routing import MODEL_VERSION, Asked
from .service import Service
from .status import failure
from .timing import SERVER_TIMING, Timing

__all__ = ["Answer", "Context", "GrpcDoor", "Watch", "new_server"]

Context: TypeAlias = ServicerContext[Any, Any]
Answer: TypeAlias = Callable[[Any, Context], Awaitable[Message]]
"""Answers the calls of one unary method; an error is raised plain."""
Request = TypeVar("Request", bound=Message)
Watch: TypeAlias = Callable[
    [health_pb2.HealthCheckRequest, Context], AsyncIterator[health_pb2.HealthCheckResponse]
]

Cut: TypeAlias = Callable[[AsyncIterator[Any]], AsyncIterator[Any]]

_TIMING: ContextVar[Timing] = ContextVar("timing")
"""Of the call that the current task serves."""

_HEALTH = str(health_pb2.DESCRIPTOR.services_by_name["Health"].full_name)


class GrpcDoor:
    """Answers the calls of the inference service."""

    def __init__(self, service: Service, codec: Codec) -> None:
        self._service = service
        self._codec = codec

    @property
    def answers(self) -> Mapping[str, Answer]:
        """What answers each method of the service."""
        return {
            "ServerLive": self.server_live,
            "ServerReady": self.server_ready,
            "ModelReady": self.model_ready,
            "ServerMetadata": self.server_metadata,
            "ModelMetadata": self.model_metadata,
            "ModelInfer": self.model_infer,
        }

    async def server_live(self, _request: Message, _context: Context) -> Message:
        """Whether a restart would cure nothing."""
        return proto.ServerLiveResponse(live=self._service.probes.live())

    async def server_ready(self, _request: Message, _context: Context) -> Message:
        """Whether every model can be asked."""
        return proto.ServerReadyResponse(ready=self._service.probes.ready())

    async def model_ready(self, request: proto.ModelReadyRequest, _context: Context) -> Message:
        """Whether this model can be asked."""
        ready = self._service.model_ready(request.name, request.version)
        return proto.ModelReadyResponse(ready=ready)

    async def server_metadata(self, _request: Message, _context: Context) -> Message:
        """Describe the server."""
        return wire.encode_server_metadata(self._service.metadata)

    async def model_metadata(
        self, request: proto.ModelMetadataRequest, _context: Context
    ) -> Message:
        """Describe a model."""
        metadata = self._service.model_metadata(request.name, request.version)
        return wire.encode_model_metadata(metadata)

    async def model_infer(self, request: proto.ModelInferRequest, context: Context) -> Message:
        """Infer; raw inputs are answered raw, typed ones typed where every output can be typed."""
        where = Asked(request.model_name, request.model_version, _reader(context))
        timing = _TIMING.get()
        choice = self._service.choose(where, timing)
        seconds = context.time_remaining()
        deadline = None if seconds is None else monotonic() + seconds
        size = request.ByteSize()
        asked = await self._codec.read(size, partial(wire.decode_request, request))
        cache_control = where.header("cache-control") or ""
        answer = await self._service.infer(
            where, choice, asked, timing, cache_control=cache_control, deadline=deadline
        )
        untyped = any(DATATYPES[output.datatype].contents is None for output in answer.outputs)
        raw = untyped or bool(request.raw_input_contents)
        encode = partial(wire.encode_response, answer, raw=raw)
        return await self._codec.run(size_of(answer.outputs), encode)


def _reader(context: Context) -> Callable[[str], str | None]:
    """Return what reads a call's metadata by name; one that came twice is joined, as over HTTP."""
    metadata = context.invocation_metadata() or ()

    def read(name: str) -> str | None:
        values = [str(value) for key, value in metadata if key == name]
        return ",".join(values) if values else None

    return read


def new_server(
    inference: Mapping[str, Answer],
    check: Answer,
    watch: Watch,
    limits: GrpcLimits,
    *,
    metrics: Metrics,
    codec: Codec,
    until_end: Cut,
    interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
) -> Server:
    """Assemble a server that is not yet listening.

    Args:
        inference: what answers each method of the inference service.
        check: answers the health service's question.
        watch: answers it again and again.
        limits: a message that is too large fails with RESOURCE_EXHAUSTED before it is parsed.
        metrics: count the inferences.
        codec: parses and writes large messages.
        until_end: ends what a stream hears of its client when the server drains.
        interceptors: see each call before its method is looked up.
    """
    services = {
        proto.SERVICE: _inference_methods(inference, metrics, codec),
        _HEALTH: _health_methods(check, watch),
        reflection.SERVICE_NAME: _reflection_methods(until_end),
    }
    server = grpc.aio.server(interceptors=interceptors, options=limits.options)
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(name, them) for name, them in services.items()]
    )
    return server


def _inference_methods(
    inference: Mapping[str, Answer], metrics: Metrics, codec: Codec
) -> "dict[str, grpc.RpcMethodHandler[Any, Any]]":
    return {
        name: _inference(answer, metrics, codec)
        if name == "ModelInfer"
        else _unary(answer, *proto.METHODS[name])
        for name, answer in inference.items()
    }


def _health_methods(check: Answer, watch: Watch) -> "dict[str, grpc.RpcMethodHandler[Any, Any]]":
    return {
        "Check": _unary(check, health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse),
        "Watch": grpc.unary_stream_rpc_method_handler(
            watch,
            request_deserializer=health_pb2.HealthCheckRequest.FromString,
            response_serializer=health_pb2.HealthCheckResponse.SerializeToString,
        ),
    }


def _unary(
    answer: Answer, request_class: type[Message], response_class: type[Message]
) -> "grpc.RpcMethodHandler[bytes, Message]":
    async def call(message: bytes, context: Context) -> Message:
        try:
            return await answer(_parsed(request_class, message), context)
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            failed = failure(error)
        return await context.abort(failed.status.grpc, failed.text)

    return grpc.unary_unary_rpc_method_handler(
        call, response_serializer=response_class.SerializeToString
    )


def _inference(
    answer: Answer, metrics: Metrics, codec: Codec
) -> "grpc.RpcMethodHandler[bytes, bytes]":
    """Answer as any method, and count and time each call."""

    async def call(message: bytes, context: Context) -> bytes:
        timing = Timing(metrics)
        _TIMING.set(timing)
        code = StatusCode.OK
        try:
            parse = partial(_parsed_inference, message)
            request = await codec.run(len(message), parse)
            key = metrics.key(request.model_name, request.model_version)
            with timing.of(key):
                reply = await answer(request, context)
                encoded = await codec.run(reply.ByteSize(), reply.SerializeToString)
            context.set_trailing_metadata(_told(timing))
            return encoded
        except (grpc.aio.AbortError, asyncio.CancelledError):
            code = _ended(context, timing)
            raise
        except Exception as error:
            timing.failed(error)
            failed = failure(error)
            code = failed.status.grpc
        finally:
            metrics.count(timing.key, "grpc", code.name)
        told = (*_told(timing), *failed.status.advice("retry-after"))
        return await context.abort(code, failed.text, told)

    return grpc.unary_unary_rpc_method_handler(call)


def _told(timing: Timing) -> tuple[tuple[str, str], ...]:
    """Return the trailing metadata of an answer."""
    told = ((SERVER_TIMING.lower(), timing.finish()),)
    return (*told, (MODEL_VERSION.lower(), timing.version)) if timing.version else told


def _ended(context: Context, timing: Timing) -> StatusCode:
    """Return how a call ended that raised: with an answer, or without one as its caller left."""
    left = StatusCode.DEADLINE_EXCEEDED if timing.expired else StatusCode.CANCELLED
    return cast(StatusCode | None, context.code()) or left


def _parsed_inference(message: bytes) -> proto.ModelInferRequest:
    check_fields(message)
    return _parsed(proto.ModelInferRequest, message)


def _parsed(request_class: type[Request], message: bytes) -> Request:
    """Parse here: bytes that grpcio cannot parse would be told as UNKNOWN."""
    try:
        return request_class.FromString(message)
    except DecodeError as error:
        raise WireError(f"the message is no {request_class.DESCRIPTOR.name}") from error


def _reflection_methods(until_end: Cut) -> "dict[str, grpc.RpcMethodHandler[Any, Any]]":
    """Describe the services; a client that says nothing more does not hold the server's end."""
    names = (proto.SERVICE, _HEALTH, reflection.SERVICE_NAME)
    servicer: Any = reflection.aio.ReflectionServicer(names, pool=_reflected())

    async def describe(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        async for answer in servicer.ServerReflectionInfo(until_end(requests), context):
            yield answer

    handler = grpc.stream_stream_rpc_method_handler(
        describe,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return {"ServerReflectionInfo": handler}


def _reflected() -> Any:
    """Gather what reflection describes: our own messages live apart from grpcio's."""
    pool: Any = DescriptorPool()
    own: Any = proto.POOL
    inference = own.FindFileContainingSymbol(proto.SERVICE)
    for file in (inference, health_pb2.DESCRIPTOR, reflection_pb2.DESCRIPTOR):
        copy = FileDescriptorProto()
        file.CopyToProto(copy)
        pool.Add(copy)
    return pool
