"""The gRPC plane: one call at a time, whatever bytes the request message consists of."""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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
_Kinds = tuple[type[Message], type[Message]] | tuple[None, None]
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
        given = {name.lower(): value for name, value in headers.items()}
        agent = given.pop("user-agent", None)  # not metadata: the channel says it
        self._options = (*_OPTIONS, *([("grpc.primary_user_agent", agent)] if agent else ()))
        self._metadata = tuple(given.items())
        self._tls = tls

    @cached_property
    def channel(self) -> grpc.Channel:
        """The channel, for calls that none of the methods here can make."""
        if self._tls is None:
            return grpc.insecure_channel(self.address, self._options)
        return grpc.secure_channel(self.address, _credentials(self._tls), self._options)

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
        question = health_pb2.HealthCheckRequest(service=service)
        kinds = (health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse)
        exchange, bodies = self._streamed(f"{_HEALTH}/Watch", question, kinds, seconds)
        messages = (replace(exchange, body=body).message for body in bodies)
        statuses = tuple(_status_name(message.status) for message in messages)
        if exchange.code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return HealthWatch(statuses, None)
        return HealthWatch(statuses, exchange.code, exchange.details)

    def reflection_services(self, *, timeout: float = 10.0) -> list[str] | GrpcExchange:
        """The services that reflection lists; where it does not answer, the last attempt."""
        question = reflection_pb2.ServerReflectionRequest(list_services="")
        kinds = (reflection_pb2.ServerReflectionRequest, reflection_pb2.ServerReflectionResponse)
        for path in _REFLECTION:
            exchange, bodies = self._streamed(path, question, kinds, timeout)
            if exchange.code is grpc.StatusCode.OK and bodies:
                services = exchange.message.list_services_response.service
                return [service.name for service in services]
        return exchange

    def _call(
        self,
        path: str,
        message: Message | bytes,
        kinds: _Kinds,
        *,
        timeout: float,
        metadata: Headers = (),
        names: Mapping[str, str] = MappingProxyType({}),
    ) -> GrpcExchange:
        question = self._question(path, message, kinds, metadata)
        started = time.monotonic()
        ended = self.channel.unary_unary(path, _as_is, _as_is).future(
            question.request, timeout=timeout, metadata=question.metadata
        )
        body = ended.result() if ended.code() is grpc.StatusCode.OK else None
        return self._ended(replace(question, body=body, names=names), ended, started)

    def _streamed(
        self, path: str, message: Message, kinds: _Kinds, timeout: float
    ) -> tuple[GrpcExchange, list[bytes]]:
        """The answer messages until the stream ended; the first of them is the exchange's."""
        question = self._question(path, message, kinds, ())
        started = time.monotonic()
        stream = self.channel.stream_stream(path, _as_is, _as_is)(
            iter([question.request]), timeout=timeout, metadata=question.metadata
        )
        bodies: list[bytes] = []
        with contextlib.suppress(grpc.RpcError):
            bodies.extend(stream)
        first = bodies[0] if bodies else None
        return self._ended(replace(question, body=first), stream, started), bodies

    def _question(
        self, path: str, message: Message | bytes, kinds: _Kinds, metadata: Headers
    ) -> GrpcExchange:
        return GrpcExchange(
            address=self.address,
            method=path,
            request=message if isinstance(message, bytes) else message.SerializeToString(),
            code=grpc.StatusCode.UNKNOWN,
            ask=kinds[0],
            reply=kinds[1],
            metadata=(*self._metadata, *metadata),
            secure=self._tls is not None,
        )

    def _ended(self, question: GrpcExchange, call: grpc.Call, started: float) -> GrpcExchange:
        exchange = replace(
            question,
            code=call.code(),
            details=call.details() or "",
            seconds=time.monotonic() - started,
            trailers=_texts(call.trailing_metadata()),
        )
        self._journal.saw(exchange)
        return exchange


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
