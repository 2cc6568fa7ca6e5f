"""From questions to bytes on a plane, and to those who send them."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from servespec.target.connection import Tls
from servespec.wire import grpc as grpc_codec

from .access import Access
from .dialects import Dialect, OpenInference
from .generator import Sender
from .heard import Heard
from .plan import PlanError
from .rest_plane import RestMessage, RestSender
from .template import Template
from .workloads import Question

__all__ = ["Endpoint", "senders"]

_CHANNELS = 4


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the load goes.

    Attributes:
        plane: one of `plan.PLANES`.
        address: a URL such as `http://127.0.0.1:8000`, for gRPC also `host:port`.
        access: what else it takes to get there.
        template: how to ask on the plane `json`.
    """

    plane: str
    address: str
    access: Access = field(default_factory=Access)
    template: Template | None = None

    @property
    def dialect(self) -> Dialect:
        """What is spoken over HTTP."""
        return self.template or OpenInference(binary=self.plane == "binary")

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
        """Whether TLS is spoken there; an address without a scheme leaves it to the target file."""
        if "://" in self.address:
            return self.address.startswith("https:")
        return self.access.tls is not None

    @property
    def tls(self) -> Tls | None:
        """By what it is encrypted; None: it is not."""
        return (self.access.tls or Tls()) if self.is_encrypted else None


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
    numbered = enumerate(questions)
    messages = [_encoded(endpoint, question, number) for number, question in numbered]
    address = endpoint.host_and_port
    tls = endpoint.tls.context() if endpoint.tls else None
    heard = opened.enter_context(Heard())
    return lambda: RestSender(address, tls, lambda number: messages[choice[number]], timeout, heard)


def _encoded(endpoint: Endpoint, question: Question, number: int) -> RestMessage:
    dialect = endpoint.dialect
    asked = dialect.encode(endpoint.access.named(question.request), number)
    host, port = endpoint.host_and_port
    prefix = urlsplit(endpoint.address).path.rstrip("/") if "://" in endpoint.address else ""
    fields = {
        "Host": f"{host}:{port}",
        **asked.fields,
        "Content-Length": len(asked.body),
        **endpoint.access.headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    line = f"{asked.method} {prefix}{asked.path} HTTP/1.1"
    rest = head.encode() + b"\r\n" + asked.body
    return RestMessage(line.encode(), rest, question.poisoned, asked.method, dialect.is_answer)


def _over_grpc(
    endpoint: Endpoint,
    questions: Sequence[Question],
    choice: Sequence[int],
    timeout: float,
    opened: ExitStack,
) -> Callable[[], Sender]:
    from .grpc_plane import GrpcMessage, GrpcSender, beside_gevent, infer_call, opened_channel

    beside_gevent()
    host, port = endpoint.host_and_port
    calls = []
    for _ in range(_CHANNELS):
        channel = opened_channel(f"{host}:{port}", endpoint.tls)
        opened.callback(channel.close)
        calls.append(infer_call(channel))
    named = (endpoint.access.named(question.request) for question in questions)
    encoded = (grpc_codec.encode_request(request, raw=True) for request in named)
    messages = [
        GrpcMessage(message.SerializeToString(), question.poisoned)
        for message, question in zip(encoded, questions, strict=True)
    ]
    metadata = tuple((name.lower(), value) for name, value in endpoint.access.headers.items())

    def sender() -> Sender:
        calls.append(calls.pop(0))
        return GrpcSender(calls[0], lambda number: messages[choice[number]], timeout, metadata)

    return sender
