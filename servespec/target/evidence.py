"""Exchanges as text that a person can read and repeat. Secrets do not appear in it."""

import base64
import copy
import hashlib
import re
import shlex
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from .exchange import Exchange, GrpcExchange, Headers, Request
from .outcomes import TargetGone

__all__ = ["Evidence", "Journal", "Statistic"]

_SHOWN = 2000
_KEPT = 20
_LARGEST_MESSAGE = 1 << 16  # beyond it a message is not rendered as JSON
_SETTLE = 0.05  # seconds between a dying process's last packet and its exit status
_ALWAYS_SECRET = ("authorization", "proxy-authorization", "cookie", "set-cookie")
_COMPUTED_BY_CURL = frozenset({"host", "content-length", "connection"})


@dataclass(frozen=True, slots=True)
class Evidence:
    """One exchange as text; `command` repeats it from a shell."""

    summary: str
    request: str
    answer: str
    command: str


@dataclass(frozen=True, slots=True)
class Statistic:
    """A number that was measured, and where the true one lies.

    Attributes:
        name: what it is, such as `p99/p50`.
        unit: such as `s`; empty for a ratio.
        value: as seen; None: infinite.
        low: where the true value begins; None: open.
        high: where it ends; None: open.
        count: how many measurements are behind it.
        confidence: of the interval.
    """

    name: str
    unit: str
    value: float | None
    low: float | None
    high: float | None
    count: int
    confidence: float


@dataclass(slots=True)
class _Seen:
    """The last exchanges of a check, and how many there were in all."""

    kept: deque[Evidence] = field(default_factory=lambda: deque(maxlen=_KEPT))
    count: int = 0


class Journal:
    """What was said to the target since a check began, and whether the target outlived it.

    Attributes:
        omitted: how many earlier exchanges of the check are no longer kept.
    """

    def __init__(
        self, alive: Callable[[], str | None] | None, auth: Iterable[tuple[str, str]]
    ) -> None:
        self._alive = alive
        self._redact = _redactor(tuple(auth))
        self._seen = _Seen()

    def beside(self) -> "Journal":
        """For another server of the same check, whose death is the check's own to judge."""
        other = copy.copy(self)
        other._alive = None
        return other

    def begin(self) -> None:
        """Forget the last check's exchanges."""
        self._seen.kept.clear()
        self._seen.count = 0

    @property
    def kept(self) -> list[Evidence]:
        """The last exchanges, oldest first."""
        return list(self._seen.kept)

    @property
    def omitted(self) -> int:
        """How many exchanges came before those that are kept."""
        return self._seen.count - len(self._seen.kept)

    def note(self, evidence: Evidence) -> None:
        """Keep what was seen otherwise than by an exchange, such as a load test."""
        parts = (evidence.summary, evidence.request, evidence.answer, evidence.command)
        self._seen.count += 1
        self._seen.kept.append(Evidence(*map(self._redact, parts)))

    def saw(self, exchange: Exchange | GrpcExchange) -> None:
        """Keep an exchange. Raises TargetGone when it is the one that the target died of."""
        self.saw_all([exchange])

    def saw_all(self, exchanges: Sequence[Exchange | GrpcExchange], *, besides: int = 0) -> None:
        """Keep some of many exchanges, broken ones before others; `besides`: more, not given."""
        by_weight = sorted(exchanges, key=lambda exchange: exchange.broken)
        self._seen.count += len(exchanges) + besides
        self._seen.kept.extend(map(self._written, by_weight[-_KEPT:]))
        if by_weight and by_weight[-1].broken:
            self.must_live(by_weight[-1].asked)

    def _written(self, exchange: Exchange | GrpcExchange) -> Evidence:
        parts = _of_grpc(exchange) if isinstance(exchange, GrpcExchange) else _of_rest(exchange)
        return Evidence(*map(self._redact, parts))

    def must_live(self, during: str) -> None:
        """Raise TargetGone when the target is dead."""
        if self._alive is None:
            return
        death = self._alive()
        if death is None:
            time.sleep(_SETTLE)
            death = self._alive()
        if death is not None:
            raise TargetGone(self._redact(f"{death}, last asked: {during}"))


def _redactor(auth: Headers) -> Callable[[str], str]:
    names = "|".join(map(re.escape, (*_ALWAYS_SECRET, *(name for name, _ in auth))))
    # A field of a header block, of a quoted shell word, or of bytes written as escapes.
    fields = re.compile(rf"(?i)((?:^|[<>'\"]|\\n)\s*(?:{names})\s*:\s?)[^\r\n'\\]*", re.MULTILINE)
    values = [value for _, value in auth if value]

    def redact(text: str) -> str:
        for value in values:
            text = text.replace(value, "<redacted>")
        return fields.sub(r"\1<redacted>", text)

    return redact


def _of_rest(exchange: Exchange) -> tuple[str, str, str, str]:
    request = exchange.request
    took = f"{exchange.seconds * 1000:.1f} ms"
    came = exchange.failure or str(exchange.status)
    note = f" ({exchange.note})" if exchange.note else ""
    if request.method:
        asked = _block([f"{request.method} {request.url}", *_fields(request.headers)], ">")
        command = _curl(request)
    else:
        asked, command = "", _netcat(request)
    answer = _block([str(exchange.status), *_fields(exchange.headers)], "<")
    return (
        f"{request} -> {came} in {took}{note}",
        f"{asked}{_shown(request.body)}",
        exchange.failure or f"{answer}{_shown(exchange.body)}",
        command,
    )


def _curl(request: Request) -> str:
    words = ["curl", "-i", "--path-as-is", "-X", request.method, request.url]
    if request.method == "HEAD":
        words[3:5] = ["--head"]
    for name, value in request.headers:
        if name.lower() not in _COMPUTED_BY_CURL:
            words += ["-H", f"{name}: {value}" if value else f"{name};"]
    if not request.body:
        return shlex.join(words)
    if not any(name.lower() == "content-type" for name, _ in request.headers):
        words += ["-H", "Content-Type:"]
    return _fed(words, request.body)


def _fed(words: list[str], body: bytes) -> str:
    text = body.decode(errors="replace")
    if len(body) > _SHOWN:
        digest = hashlib.sha256(body).hexdigest()
        command = shlex.join([*words, "--data-binary", "@request.bin"])
        return f"{command}  # request.bin: {len(body)} bytes, sha256 {digest}"
    if text.encode() == body and text.isprintable() and not text.startswith("@"):
        return shlex.join([*words, "--data-binary", text])
    coded = base64.b64encode(body).decode()
    return f"printf %s {coded} | base64 -d | {shlex.join([*words, '--data-binary', '@-'])}"


def _netcat(request: Request) -> str:
    url = urlsplit(request.url)
    port = url.port or (443 if url.scheme == "https" else 80)
    talk = f"openssl s_client -quiet -connect {url.hostname}:{port}"
    if url.scheme != "https":
        talk = f"nc {url.hostname} {port}"
    shown = "".join(_escape(byte) for byte in request.body[:_SHOWN])
    cut = f"  # cut: {len(request.body)} bytes were sent" if len(request.body) > _SHOWN else ""
    return f"printf '{shown}' | {talk}{cut}"


def _escape(byte: int) -> str:
    known = {10: "\\n", 13: "\\r", 37: "%%", 39: "\\047", 92: "\\\\"}
    return known.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}")


def _of_grpc(exchange: GrpcExchange) -> tuple[str, str, str, str]:
    method = exchange.method.lstrip("/")
    asked = _as_json(exchange.request, exchange.ask)
    details = f": {exchange.details}" if exchange.details else ""
    status = f"{exchange.code.name}{details}"
    body = exchange.body
    came = "" if body is None else _as_json(body, exchange.reply) or _hex(body)
    return (
        f"{exchange.asked} -> {status} in {exchange.seconds * 1000:.1f} ms",
        _block([method, *_fields(exchange.metadata)], ">") + _cut(asked or _hex(exchange.request)),
        _block([status, *_fields(exchange.trailers)], "<") + _cut(came),
        _grpcurl(exchange, method, asked),
    )


def _grpcurl(exchange: GrpcExchange, method: str, asked: str | None) -> str:
    plain = [] if exchange.secure else ["-plaintext"]
    heads = [word for name, value in exchange.metadata for word in ("-H", f"{name}: {value}")]
    words = ["grpcurl", *plain, *heads, "-d"]
    where = [exchange.address, method]
    if asked is None:
        return f"# grpcurl cannot send these {_hex(exchange.request)}"
    if len(asked) <= _SHOWN:
        return shlex.join([*words, asked, *where])
    return f"{shlex.join([*words, '@', *where])} < request.json  # {len(asked)} characters"


def _as_json(body: bytes, kind: type[Message] | None) -> str | None:
    """The message as JSON; None for bytes that are no such message, and for very large ones."""
    if kind is None or len(body) > _LARGEST_MESSAGE:
        return None
    try:
        return json_format.MessageToJson(
            kind.FromString(body), indent=None, preserving_proto_field_name=True
        )
    except (DecodeError, ValueError):
        return None


def _hex(body: bytes) -> str:
    return f"{len(body)} bytes: {body[:_SHOWN].hex()}"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)"


def _fields(headers: Headers) -> list[str]:
    return [f"{name}: {value}" for name, value in headers]


def _block(lines: list[str], mark: str) -> str:
    return "".join(f"{mark} {line}\n" for line in lines) + "\n"


def _shown(body: bytes) -> str:
    text = body[:_SHOWN].decode(errors="backslashreplace")
    readable = "".join(
        char if char.isprintable() or char in "\n\t\r" else f"\\x{ord(char):02x}" for char in text
    )
    return readable + (f"... ({len(body)} bytes)" if len(body) > _SHOWN else "")
