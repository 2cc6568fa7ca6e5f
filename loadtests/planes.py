"""From questions to bytes on a plane, and to those who send them."""

import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from servespec.wire import grpc as grpc_codec
from servespec.wire import rest as rest_codec

from .generator import Sender
from .plan import PlanError
from .rest import RestMessage, RestSender
from .workloads import Question

__all__ = ["PLANES", "Endpoint", "senders"]

PLANES = ("rest", "binary", "grpc")
_CHANNELS = 4
_JSON = "application/json"
_OCTETS = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the load goes.

    Attributes:
        plane: one of `PLANES`.
        address: a URL such as `http://127.0.0.1:8000`, for gRPC also `host:port`.
        headers: that go with every request.
    """

    plane: str
    address: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def host_and_port(self) -> tuple[str, int]:
        """Where to connect to.

        Raises:
            PlanError: the address is none.
        """
        parts = urlsplit(self.address if "://" in self.address else f"//{self.address}")
        try:
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            port = 0
        if not parts.hostname or not port:
            raise PlanError(f"host: expected such as http://127.0.0.1:8000, found {self.address!r}")
        return parts.hostname, port

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS is spoken there."""
        return self.address.startswith("https:")


def senders(
    endpoint: Endpoint,
    questions: Sequence[Question],
    choice: Sequence[int],
    timeout: float,
    opened: ExitStack,
) -> Callable[[], Sender]:
    """Return what makes a sender of the requests that `choice` says.

    Args:
        endpoint: where they go.
        questions: the distinct ones; encoded here, once.
        choice: which of them each request of the schedule is.
        timeout: seconds for a request.
        opened: closes what all senders share.
    """
    if endpoint.plane == "grpc":
        return _over_grpc(endpoint, questions, choice, timeout, opened)
    messages = [_encoded(endpoint, question) for question in questions]
    address = endpoint.host_and_port
    tls = ssl.create_default_context() if endpoint.is_encrypted else None
    return lambda: RestSender(address, tls, lambda number: messages[choice[number]], timeout)


def _encoded(endpoint: Endpoint, question: Question) -> RestMessage:
    request = question.request
    body, length = rest_codec.encode_request(request, binary=endpoint.plane == "binary")
    host, port = endpoint.host_and_port
    version = f"/versions/{request.model_version}" if request.model_version else ""
    prefix = urlsplit(endpoint.address).path.rstrip("/") if "://" in endpoint.address else ""
    fields = {
        "Host": f"{host}:{port}",
        "Content-Type": _JSON if length is None else _OCTETS,
        "Content-Length": len(body),
        **({} if length is None else {"Inference-Header-Content-Length": length}),
        **endpoint.headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    line = f"POST {prefix}/v2/models/{request.model_name}{version}/infer HTTP/1.1"
    return RestMessage(line.encode(), head.encode() + b"\r\n" + body, question.poisoned)


def _over_grpc(
    endpoint: Endpoint,
    questions: Sequence[Question],
    choice: Sequence[int],
    timeout: float,
    opened: ExitStack,
) -> Callable[[], Sender]:
    import grpc.experimental.gevent

    from .grpc import GrpcMessage, GrpcSender, infer_call

    grpc.experimental.gevent.init_gevent()
    host, port = endpoint.host_and_port
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    options += [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    calls = []
    for _ in range(_CHANNELS):
        channel = grpc.insecure_channel(f"{host}:{port}", options)
        opened.callback(channel.close)
        calls.append(infer_call(channel))
    encoded = (grpc_codec.encode_request(question.request, raw=True) for question in questions)
    messages = [
        GrpcMessage(message.SerializeToString(), question.poisoned)
        for message, question in zip(encoded, questions, strict=True)
    ]
    metadata = tuple((name.lower(), value) for name, value in endpoint.headers.items())

    def sender() -> Sender:
        calls.append(calls.pop(0))
        return GrpcSender(calls[0], lambda number: messages[choice[number]], timeout, metadata)

    return sender
