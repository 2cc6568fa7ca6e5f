"""The gRPC plane: messages that were encoded beforehand, on a few channels."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

import grpc

from servespec.target.connection import Tls

from .generator import SAMPLED, Answer
from .pacer import CLOCK
from .records import Fate

__all__ = ["GrpcMessage", "GrpcSender", "beside_gevent", "infer_call", "opened_channel"]

_INFER = "/inference.GRPCInferenceService/ModelInfer"
_MOST_THREADS = 10_000
_BUSY = frozenset({grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE})
_SILENT = frozenset({grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED})

_OPTIONS = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),  # what a library repeats is not what was asked
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
]

Call: TypeAlias = "grpc.UnaryUnaryMultiCallable[bytes, bytes]"


@dataclass(frozen=True, slots=True)
class GrpcMessage:
    """A request as it is sent.

    Attributes:
        data: the encoded message.
        poisoned: an error is the right answer.
    """

    data: bytes
    poisoned: bool

    def fate(self, code: grpc.StatusCode) -> Fate:
        """What an answer of this code is."""
        if code in _SILENT:
            return Fate.LOST
        if self.poisoned != (code is grpc.StatusCode.OK):
            return Fate.ANSWERED
        return Fate.REFUSED if code in _BUSY else Fate.FAILED


def beside_gevent() -> None:
    """Let calls wait in gevent's threads: one each, as many as calls are under way.

    gevent's own limit is ten, and gRPC does not raise it: behind ten calls that hang, the answers
    of all others were seen only when the first of these was given up.
    """
    import gevent
    import grpc.experimental.gevent

    grpc.experimental.gevent.init_gevent()
    gevent.get_hub().threadpool.maxsize = _MOST_THREADS


def opened_channel(address: str, tls: Tls | None) -> grpc.Channel:
    """A connection of its own, encrypted where `tls` says by what."""
    if tls is None:
        return grpc.insecure_channel(address, _OPTIONS)
    files = (tls.ca_file, tls.key, tls.certificate)
    read = (file.read_bytes() if file else None for file in files)
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(*read), _OPTIONS)


def infer_call(channel: grpc.Channel) -> Call:
    """ModelInfer of a channel, from bytes to bytes."""
    call: Call = channel.unary_unary(_INFER)
    return call


class GrpcSender:
    """Asks one call after the other.

    Args:
        call: ModelInfer, from bytes to bytes.
        message: of a request, by its number.
        timeout: seconds for a call.
        metadata: that goes with every call.
    """

    def __init__(
        self,
        call: Call,
        message: Callable[[int], GrpcMessage],
        timeout: float,
        metadata: tuple[tuple[str, str], ...],
    ) -> None:
        self._call = call
        self._message = message
        self._timeout = timeout
        self._metadata = metadata

    def send(self, number: int) -> Answer:
        """Call and wait for the answer. gRPC shows no moment before it is complete."""
        message = self._message(number)
        metadata = (*self._metadata, ("x-request-id", str(number)))
        code, timing, sent = grpc.StatusCode.OK, "", CLOCK()
        try:
            _, told = self._call.with_call(message.data, timeout=self._timeout, metadata=metadata)
        except grpc.RpcError as error:
            code = error.code()
            done = CLOCK()
        else:
            done = CLOCK()
            timing = "" if number % SAMPLED else _timing(told.trailing_metadata())
        fate = message.fate(code)
        first = math.nan if fate is Fate.LOST else done
        return Answer(sent, first, done, code.value[0], fate, timing)

    def prepare(self) -> None:
        """Nothing: the channel sees to that."""

    def close(self) -> None:
        """Nothing: the channel is everybody's."""


def _timing(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """What the server says of its own time, in one or several entries."""
    return ", ".join(str(value) for name, value in metadata if name == "server-timing")
