"""The gRPC plane: one call at a time, whatever bytes the request message consists of."""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from ..wire import proto as pb
from .binding import FixtureBinding
from .connection import Tls
from .evidence import Journal
from .exchange import GrpcExchange, Headers

__all__ = ["GrpcPlane", "HealthWatch"]

_HEALTH = "/grpc.health.v1.Health"
_REFLECTION = (
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
)
_LARGEST_ANSWER = 256 << 20
_OPTIONS = (
    ("grpc.max_receive_message_length", _LARGEST_ANSWER),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),  # what a client library repeats is not what was asked
    ("grpc.initial_reconnect_backoff_ms", 100),  # a restarted target is found at once
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True, slots=True)
class HealthWatch:
    """What a Watch of the health service said until we left, or until the target ended it.

    Attributes:
        statuses: the names of the statuses in order, such as SERVING.
        code: how the target ended the stream; None when it was still open.
    """

    statuses: tuple[str, ...]
    code: grpc.StatusCode | None
    details: str = ""


class GrpcPlane:
    """Asks the target over gRPC.

    `hosted` finds what a fixture is called on the target; `headers` go with every call.
    """

    def __init__(
        self,
        address: str,
        *,
        hosted: Callable[[str], FixtureBinding],
        journal: Journal,
        headers: Mapping[str, str],
        tls: Tls | None,
    ) -> None:
        self.address = address
        self._hosted = hosted
        self._journal = journal
        self._metadata = tuple((name.lower(), value) for name, value in headers.items())
        self._tls = tls

    @cached_property
    def channel(self) -> grpc.Channel:
        """The channel, for calls that none of the methods here can make."""
        if self._tls is None:
            return grpc.insecure_channel(self.address, _OPTIONS)
        return grpc.secure_channel(self.address, _credentials(self._tls), _OPTIONS)

    def close(self) -> None:
        """Close the channel."""
        self.channel.close()

    def call(
        self,
        method: str,
        message: Message | bytes,
        *,
        timeout: float = 10.0,
        metadata: Headers = (),
        names: Mapping[str, str] | None = None,
    ) -> GrpcExchange:
        """Call a method of GRPCInferenceService, or any `/package.Service/Method`.

        Bytes are sent as they are. `names` are the target's tensor names by the fixture's.
        """
        path = method if method.startswith("/") else f"/{pb.SERVICE}/{method}"
        kinds = pb.METHODS.get(method, (None, None))
        return self._call(
            path, message, kinds, timeout=timeout, metadata=metadata, names=names or {}
        )

    def infer(
        self,
        fixture: str,
        *,
        inputs: Sequence[pb.ModelInferRequest.InferInputTensor],
        raw: Sequence[bytes] = (),
        outputs: Sequence[str] = (),
        id: str = "",
        version: str | None = None,
        parameters: Mapping[str, pb.InferParameter] | None = None,
        timeout: float = 10.0,
        metadata: Headers = (),
    ) -> GrpcExchange:
        """Infer a fixture; tensor names are the fixture's and become the target's."""
        message = self.message(
            fixture,
            inputs=inputs,
            raw=raw,
            outputs=outputs,
            id=id,
            version=version,
            parameters=parameters,
        )
        return self.call(
            "ModelInfer",
            message,
            timeout=timeout,
            metadata=metadata,
            names=self._hosted(fixture).tensors,
        )

    def message(
        self,
        fixture: str,
        *,
        inputs: Sequence[pb.ModelInferRequest.InferInputTensor],
        raw: Sequence[bytes] = (),
        outputs: Sequence[str] = (),
        id: str = "",
        version: str | None = None,
        parameters: Mapping[str, pb.InferParameter] | None = None,
    ) -> pb.ModelInferRequest:
        """The request that `infer` would send, to be changed by hand."""
        binding = self._hosted(fixture)
        message = pb.ModelInferRequest(
            model_name=binding.model,
            model_version=binding.version if version is None else version,
            id=id,
            inputs=inputs,
            outputs=[
                pb.ModelInferRequest.InferRequestedOutputTensor(name=binding.tensor(name))
                for name in outputs
            ],
            raw_input_contents=raw,
        )
        for tensor in message.inputs:
            tensor.name = binding.tensor(tensor.name)
        for key, parameter in (parameters or {}).items():
            message.parameters[key].CopyFrom(parameter)
        return message

    def health_check(self, service: str = "", *, timeout: float = 10.0) -> GrpcExchange:
        """Ask the standard health service; the message is a HealthCheckResponse."""
        question = health_pb2.HealthCheckRequest(service=service)
        kinds = (health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse)
        return self._call(f"{_HEALTH}/Check", question, kinds, timeout=timeout)

    def health_watch(self, service: str, seconds: float) -> HealthWatch:
        """Watch a service's health for so many seconds, or until the target ends the stream."""
        watch = self.channel.unary_stream(
            f"{_HEALTH}/Watch",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        stream = watch(
            health_pb2.HealthCheckRequest(service=service),
            timeout=seconds,
            metadata=self._metadata,
        )
        statuses: list[str] = []
        started = time.monotonic()
        with contextlib.suppress(grpc.RpcError):
            statuses.extend(_status_name(response.status) for response in stream)
        if time.monotonic() - started >= seconds:
            return HealthWatch(tuple(statuses), None)
        return HealthWatch(tuple(statuses), stream.code(), stream.details())

    def reflection_services(self, *, timeout: float = 10.0) -> list[str] | GrpcExchange:
        """The services that reflection lists; where it does not answer, the last attempt."""
        question = reflection_pb2.ServerReflectionRequest(list_services="")
        kinds = (reflection_pb2.ServerReflectionRequest, reflection_pb2.ServerReflectionResponse)
        for path in _REFLECTION:
            exchange = self._call(path, question, kinds, timeout=timeout, streaming=True)
            if exchange.code is grpc.StatusCode.OK and exchange.body is not None:
                services = exchange.message.list_services_response.service
                return [service.name for service in services]
        return exchange

    def _call(
        self,
        path: str,
        message: Message | bytes,
        kinds: tuple[type[Message], type[Message]] | tuple[None, None],
        *,
        timeout: float,
        metadata: Headers = (),
        names: Mapping[str, str] = MappingProxyType({}),
        streaming: bool = False,
    ) -> GrpcExchange:
        request = message if isinstance(message, bytes) else message.SerializeToString()
        sent = (*self._metadata, *metadata)
        started = time.monotonic()
        body, ended = (self._stream if streaming else self._unary)(path, request, timeout, sent)
        exchange = GrpcExchange(
            address=self.address,
            method=path,
            request=request,
            code=ended.code(),
            details=ended.details() or "",
            body=body,
            seconds=time.monotonic() - started,
            ask=kinds[0],
            reply=kinds[1],
            metadata=sent,
            trailers=_texts(ended.trailing_metadata()),
            names=names,
            secure=self._tls is not None,
        )
        self._journal.saw(exchange)
        return exchange

    def _unary(
        self, path: str, request: bytes, timeout: float, metadata: Headers
    ) -> tuple[bytes | None, grpc.Call]:
        ended = self.channel.unary_unary(path, _as_is, _as_is).future(
            request, timeout=timeout, metadata=metadata
        )
        answered = ended.code() is grpc.StatusCode.OK
        return (ended.result() if answered else None), ended

    def _stream(
        self, path: str, request: bytes, timeout: float, metadata: Headers
    ) -> tuple[bytes | None, grpc.Call]:
        ask = self.channel.stream_stream(path, _as_is, _as_is)
        stream = ask(iter([request]), timeout=timeout, metadata=metadata)
        bodies: list[bytes] = []
        with contextlib.suppress(grpc.RpcError):
            bodies.extend(stream)
        return (bodies[0] if bodies else None), stream


def _as_is(message: bytes) -> bytes:
    return message


def _credentials(tls: Tls) -> grpc.ChannelCredentials:
    read = (path.read_bytes() if path else None for path in (tls.ca_file, tls.key, tls.certificate))
    return grpc.ssl_channel_credentials(*read)


def _status_name(status: int) -> str:
    known = health_pb2.HealthCheckResponse.ServingStatus
    return known.Name(status) if status in known.values() else str(status)


def _texts(metadata: Sequence[tuple[str, str | bytes]] | None) -> Headers:
    return tuple(
        (name, value if isinstance(value, str) else value.hex()) for name, value in metadata or ()
    )
