"""A request and its answer as on the wire. What is read from an answer and is not there is a FAIL.

Names of outputs are the fixture's; an exchange knows what the target calls them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import grpc
import numpy as np
from google.protobuf.message import DecodeError, Message

from . import reading
from .outcomes import Nonconformance

__all__ = ["Exchange", "GrpcExchange", "Headers", "Request", "RequestBytes", "WireExchange"]

Headers = tuple[tuple[str, str], ...]

_REFUSALS = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
_CRASHES = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
    }
)


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked. For bytes written by hand `method` is empty and `body` is all of them."""

    method: str
    url: str
    headers: Headers = ()
    body: bytes = b""

    def __str__(self) -> str:
        return f"{self.method} {self.url}" if self.method else f"bytes to {self.url}"


class RequestBytes(bytes):
    """A whole request as the bytes to send; knows what it asks and how its answer is read.

    Attributes:
        request: the same for a reader of the evidence.
        names: the target's tensor names by the fixture's.
    """

    request: Request
    names: Mapping[str, str]

    def __new__(cls, data: bytes, request: Request, names: Mapping[str, str]) -> Self:
        """Take the bytes and what is known of them."""
        message = super().__new__(cls, data)
        message.request = request
        message.names = names
        return message

    @classmethod
    def of(cls, data: bytes, url: str) -> Self:
        """The same of bytes that were written by hand."""
        return data if isinstance(data, cls) else cls(data, Request("", url, body=data), {})

    def named(self, exchange: "Exchange") -> "Exchange":
        """The answer, read by the fixture's names."""
        return replace(exchange, names=self.names)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One REST request and its answer.

    Attributes:
        status: 0 when no answer came.
        body: the content, after Content-Encoding was undone.
        coded_body: the content as it was coded on the wire.
        seconds: from the request's first byte to the answer's last.
        failure: why no complete answer came; None when it did.
        names: the target's tensor names by the fixture's.
        note: what a reader of the evidence should know besides.
    """

    request: Request
    status: int = 0
    headers: Headers = ()
    body: bytes = b""
    coded_body: bytes = b""
    seconds: float = 0.0
    failure: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    @property
    def broken(self) -> bool:
        """Whether the target may have died of this request."""
        return self.failure is not None

    @property
    def asked(self) -> str:
        """The request in a few words."""
        return str(self.request)

    def must_answer_at_all(self) -> Self:
        """FAIL unless a complete answer came."""
        if self.failure is not None:
            raise Nonconformance(f"{self.request}: {self.failure}")
        return self

    def must_succeed(self) -> Self:
        """FAIL unless the answer is 200."""
        return self.must_answer(200)

    def must_answer(self, *statuses: int) -> Self:
        """FAIL unless the answer has one of the statuses."""
        if self.must_answer_at_all().status not in statuses:
            raise self._unexpected(" or ".join(map(str, statuses)))
        return self

    def must_be_client_error(self) -> Self:
        """FAIL unless the answer is 4xx."""
        if not 400 <= self.must_answer_at_all().status < 500:
            raise self._unexpected("a client error (4xx)")
        return self

    def must_not_crash(self) -> Self:
        """FAIL unless an answer below 500 came."""
        if self.must_answer_at_all().status >= 500:
            raise self._unexpected("an answer below 500")
        return self

    def header(self, name: str) -> str | None:
        """The value of a header field, without regard to case; several are joined by commas."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None

    def header_length(self) -> int | None:
        """The length of the JSON part of a binary answer; None when all of it is JSON."""
        value = self.header("Inference-Header-Content-Length")
        if value is None:
            return None
        if not (value.isascii() and value.isdigit()) or int(value) > len(self.body):
            raise Nonconformance(
                f"{self.request}: Inference-Header-Content-Length is {value!r},"
                f" the body has {len(self.body)} bytes"
            )
        return int(value)

    @property
    def raw_text(self) -> str:
        """The JSON part of the body, or all of it, as text."""
        self.must_answer_at_all()
        try:
            return self.body[: self.header_length()].decode()
        except UnicodeDecodeError as error:
            raise Nonconformance(f"{self.request}: the answer is not UTF-8: {error}") from None

    def json(self) -> Any:
        """The JSON value of the body; NaN and Infinity tokens are no JSON."""
        text = self.raw_text
        try:
            return json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise Nonconformance(
                f"{self.request}: the answer {_short(text)} is not JSON: {error}"
            ) from None

    def answer(self, member: str) -> Any:
        """A member of the JSON object that the answer must be."""
        return _member(self._object(), member, f"{self.request}: the answer")

    def has(self, member: str) -> bool:
        """Whether the JSON object has a member."""
        return member in self._object()

    def error(self) -> str:
        """The text of the protocol's error object."""
        error = self.answer("error")
        if not isinstance(error, str):
            raise Nonconformance(f"{self.request}: the member error is {error!r}, not a string")
        return error

    def output(self, name: str) -> dict[str, Any]:
        """The JSON object of an output, by the fixture's name of it."""
        for entry in self._outputs():
            if entry.get("name") == self.names.get(name, name):
                return entry
        raise Nonconformance(f"{self.request}: the answer has no output {name}")

    def values(self, name: str) -> list[Any]:
        """The elements of an output's JSON `data`, as they are there, nested or flat."""
        data = _member(self.output(name), "data", f"{self.request}: output {name}")
        return list(reading.flat(data))

    def array(self, name: str) -> np.ndarray:
        """An output as an array, whether it came as JSON or as binary data."""
        entry = self.output(name)
        if reading.size_of(name, entry) is None:
            return reading.from_json(name, entry)
        return reading.from_raw(
            name, entry.get("datatype"), entry.get("shape"), self._binary(name, entry)
        )

    def _binary(self, name: str, wanted: dict[str, Any]) -> bytes:
        start = self.header_length()
        if start is None:
            raise Nonconformance(f"output {name}: binary data, but no header says where it begins")
        for entry in self._outputs():
            size = reading.size_of(str(entry.get("name")), entry) or 0
            if entry.get("name") == wanted.get("name"):
                break
            start += size
        if start + size > len(self.body):
            raise Nonconformance(
                f"output {name}: announces {size} bytes of binary data"
                f" but {max(0, len(self.body) - start)} came"
            )
        return self.body[start : start + size]

    def _outputs(self) -> list[dict[str, Any]]:
        outputs = self.answer("outputs")
        if not isinstance(outputs, list):
            raise Nonconformance(f"{self.request}: outputs is not a list of objects")
        return [entry for entry in outputs if isinstance(entry, dict)]

    def _object(self) -> dict[str, Any]:
        value = self.json()
        if not isinstance(value, dict):
            raise Nonconformance(f"{self.request}: {_short(self.raw_text)} is not a JSON object")
        return value

    def _unexpected(self, expected: str) -> Nonconformance:
        body = _short(self.body.decode(errors="replace"))
        return Nonconformance(f"{self.request}: answered {self.status} {body}, not {expected}")


@dataclass(frozen=True, slots=True)
class WireExchange:
    """Bytes written by hand to a connection of their own, and all that came back.

    Attributes:
        answers: the final answers in order; more than were waited for when more came.
        interim: the 1xx answers.
        closed: the target closed the connection, in order or by a reset.
        reset: it was a reset.
        raw: every byte that came.
        failure: why the answer after the last one did not come, where one was waited for.
    """

    request: Request
    answers: tuple[Exchange, ...]
    interim: tuple[Exchange, ...]
    closed: bool
    reset: bool
    raw: bytes
    seconds: float

    failure: Exchange | None = None

    @property
    def answer(self) -> Exchange:
        """The first answer; where none came, an exchange that says why."""
        if self.answers:
            return self.answers[0]
        return self.failure or Exchange(self.request, failure="no answer was waited for")


@dataclass(frozen=True, slots=True)
class GrpcExchange:
    """One unary gRPC call and its answer.

    Attributes:
        address: `host:port` of the target.
        secure: TLS was spoken.
        method: the full name, `/package.Service/Method`.
        request: the request message's bytes as they were sent.
        body: the answer message's bytes; None when the call did not succeed.
        ask, reply: the classes of the two messages; None when they are not known.
        metadata: what was sent beside the request.
        trailers: the trailing metadata.
    """

    address: str
    method: str
    request: bytes
    code: grpc.StatusCode
    details: str = ""
    body: bytes | None = None
    seconds: float = 0.0
    ask: type[Message] | None = None
    reply: type[Message] | None = None
    metadata: Headers = ()
    trailers: Headers = ()
    names: Mapping[str, str] = field(default_factory=dict)
    secure: bool = False

    @property
    def broken(self) -> bool:
        """Whether the target may have died of this call."""
        return self.code in _CRASHES

    @property
    def asked(self) -> str:
        """The call in a few words."""
        return f"{self.method} at {self.address}"

    @property
    def message(self) -> Any:
        """The answer message; None when the call did not succeed."""
        if self.body is None or self.reply is None:
            return None
        try:
            return self.reply.FromString(self.body)
        except DecodeError as error:
            raise Nonconformance(
                f"{self.method}: the answer is no {self.reply.DESCRIPTOR.name}: {error}"
            ) from None

    def must_succeed(self) -> Self:
        """FAIL unless the code is OK."""
        return self.must_be(grpc.StatusCode.OK)

    def must_be(self, *codes: grpc.StatusCode) -> Self:
        """FAIL unless the call ended with one of the codes."""
        return self._must(self.code in codes, " or ".join(code.name for code in codes))

    def must_be_refused(self) -> Self:
        """FAIL unless the code blames the client."""
        return self._must(self.code in _REFUSALS, "a refusal such as INVALID_ARGUMENT")

    def must_not_crash(self) -> Self:
        """FAIL when the code is one of a server that went wrong, or no answer came in time."""
        return self._must(self.code not in _CRASHES, "an answer or a refusal")

    def output(self, name: str) -> Any:
        """The InferOutputTensor, by the fixture's name of it."""
        return self._entry(name)[1]

    def array(self, name: str) -> np.ndarray:
        """An output as an array, whether it came as raw or as typed contents."""
        index, entry = self._entry(name)
        raw = self.message.raw_output_contents
        shape = list(entry.shape)
        if not raw:
            return reading.from_contents(name, entry.datatype, shape, entry.contents)
        if index >= len(raw):
            raise Nonconformance(
                f"output {name}: is number {index + 1} but {len(raw)} raw contents came"
            )
        return reading.from_raw(name, entry.datatype, shape, raw[index])

    def _entry(self, name: str) -> tuple[int, Any]:
        self.must_succeed()
        for index, entry in enumerate(self.message.outputs):
            if entry.name == self.names.get(name, name):
                return index, entry
        raise Nonconformance(f"{self.method}: the answer has no output {name}")

    def _must(self, holds: bool, expected: str) -> Self:
        if not holds:
            details = f" ({_short(self.details)})" if self.details else ""
            raise Nonconformance(
                f"{self.method}: ended with {self.code.name}{details}, not {expected}"
            )
        return self


def _refuse(token: str) -> Any:
    raise ValueError(f"{token} is no JSON number")


def _member(value: dict[str, Any], member: str, where: str) -> Any:
    if member not in value:
        raise Nonconformance(f"{where} has no member {member!r}")
    return value[member]


def _short(text: str) -> str:
    return repr(text if len(text) <= 200 else text[:200] + "...")
