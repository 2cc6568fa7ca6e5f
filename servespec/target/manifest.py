"""The target file: what a user says about the server to be judged, checked key by key."""

import hashlib
import os
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from ..fixtures import FIXTURES
from .connection import Tls
from .schema import (
    FILE,
    PORT,
    SECONDS,
    TEXT,
    TEXTS,
    WORDS,
    Kind,
    ManifestError,
    Where,
    known,
    matching,
    one_of,
    read,
    scalars,
)

__all__ = [
    "CLAIMABLE",
    "Auth",
    "FixtureNames",
    "Manifest",
    "ManifestError",
    "Ports",
    "Start",
    "TargetSection",
    "load",
]

T = TypeVar("T")

CLAIMABLE = (
    *("oip-rest", "oip-grpc", "http", "grpc-health", "binary"),
    *("repository", "statistics", "sequence", "classification", "generate", "shared-memory"),
    *("scheduling", "parameters", "trace", "logging", "model-configuration"),
    *("kserve-v1", "tfserving", "torchserve"),
    *("probes", "shutdown", "batching", "caching", "overload", "metrics", "tracing"),
    *("quantization", "rollout", "soak", "chaos", "checklist"),
)
"""The profiles that a target can claim."""

PLACEHOLDERS = ("http_port", "grpc_port", "models", "python", "here")
PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
SECRET = re.compile(r"(?:(?P<scheme>[A-Za-z]+) )?env:(?P<variable>[A-Za-z_]\w*)")


@dataclass(frozen=True, slots=True)
class Secret:
    """A header's value that only the environment knows, after an optional scheme (`Bearer`)."""

    scheme: str
    variable: str


def _placeholders(text: str) -> set[str]:
    return set(PLACEHOLDER.findall(text))


def _with_placeholders(kind: Kind[T], texts: Callable[[T], Collection[str]]) -> Kind[T]:
    """The same kind, its texts holding no placeholder but those that the suite fills."""

    def reader(value: Any, folder: Path) -> T:
        accepted = kind.read(value, folder)
        unknown = _placeholders(" ".join(texts(accepted))) - {*PLACEHOLDERS}
        if unknown:
            raise ValueError("{" + min(unknown) + "}")
        return accepted

    names = ", ".join("{" + name + "}" for name in PLACEHOLDERS)
    return Kind(f"{kind.expected}, with no placeholder but {names}", reader)


def _secrets(value: Any, folder: Path) -> Mapping[str, Secret]:
    try:
        found = {name: SECRET.fullmatch(text) for name, text in TEXTS.read(value, folder).items()}
    except ValueError:
        raise ValueError("something else (not shown)") from None
    for name, match in found.items():
        if match is None:
            raise ValueError(f"a literal value (not shown) for {name!r}")
    return {
        name: Secret(match["scheme"] or "", match["variable"])
        for name, match in found.items()
        if match
    }


def _rest(value: Any, _: Path) -> str:
    text = str(value)
    if "@" in text:
        raise ValueError("a URL with a user or a password (not shown)")
    url = urlsplit(text.replace("{http_port}", "1"))
    web = url.scheme in ("http", "https") and url.hostname
    if not web or url.port == 0 or re.search(r"[\s?#]", text):  # .port refuses what is no port
        raise ValueError
    return text


COMMAND = _with_placeholders(WORDS, lambda words: words)
VARIABLES = _with_placeholders(TEXTS, lambda table: table.values())
NAME = matching("a name of letters, digits, dots, dashes and underscores", r"\w[\w.-]{0,63}")
PATH = matching('a path such as "/v2/health/ready"', r"/\S*")
REST = Kind('a URL such as "http://host:8080"', _rest)
GRPC = matching('an address such as "host:8081"', r"[^\s/@]+:(\d{1,5}|\{grpc_port\})")
SECRETS = Kind(
    'values from the environment such as { Authorization = "Bearer env:TOKEN" }', _secrets
)


@dataclass(frozen=True, slots=True)
class TargetSection:
    """`[target]`: the server's name, version and addresses."""

    name: Annotated[str, NAME]
    version: Annotated[str, TEXT] = ""
    version_command: Annotated[tuple[str, ...], COMMAND] = ()
    dialect: Annotated[str, one_of("oip")] = "oip"
    rest: Annotated[str | None, REST] = None
    grpc: Annotated[str | None, GRPC] = None


@dataclass(frozen=True, slots=True)
class Start:
    """`[start]`: how the suite starts and stops the server. Durations in seconds."""

    command: Annotated[tuple[str, ...], COMMAND]
    environment: Annotated[Mapping[str, str], VARIABLES] = field(default_factory=dict)
    requirements: Annotated[Path | None, FILE] = None
    ready_seconds: Annotated[float, SECONDS] = 60.0
    stop_seconds: Annotated[float, SECONDS] = 10.0
    ready_path: Annotated[str, PATH] = "/v2/health/ready"


@dataclass(frozen=True, slots=True)
class Ports:
    """`[ports]`: where a started server listens; 0 leaves the choice to the suite."""

    http: Annotated[int, PORT] = 0
    grpc: Annotated[int, PORT] = 0


@dataclass(frozen=True, slots=True)
class Auth:
    """`[auth]`: who we are and whom we trust. Holds no secret, only where to find it."""

    headers: Annotated[Mapping[str, Secret], SECRETS] = field(default_factory=dict)
    ca_file: Annotated[Path | None, FILE] = None
    client_certificate: Annotated[Path | None, FILE] = None
    client_key: Annotated[Path | None, FILE] = None


@dataclass(frozen=True, slots=True)
class FixtureNames:
    """`[fixtures.NAME]`: the target's names for a fixture; empty: ours, or its own choice."""

    model: Annotated[str, TEXT] = ""
    version: Annotated[str, TEXT] = ""
    inputs: Annotated[Mapping[str, str], TEXTS] = field(default_factory=dict)
    outputs: Annotated[Mapping[str, str], TEXTS] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A target file, or the URL that stands for one. Later sections are tables of plain values.

    Attributes:
        file: where it was read; "command line" for a URL.
        sha256: of the file's bytes, hexadecimal; empty for a URL.
        start: None for a server that is already running.
    """

    file: Path
    sha256: str
    target: TargetSection
    start: Start | None = None
    ports: Ports = field(default_factory=Ports)
    auth: Auth = field(default_factory=Auth)
    fixtures: Mapping[str, FixtureNames] = field(default_factory=dict)
    claims: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    objectives: Mapping[str, Any] = field(default_factory=dict)
    quantization: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    chaos: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def for_url(cls, rest: str | None, grpc: str | None = None) -> "Manifest":
        """The manifest of a running server that is known by its addresses only."""
        where = Where(Path("command line"), "")
        for name, kind, value in (("REST", REST, rest), ("gRPC", GRPC, grpc)):
            if value is not None:
                kind.checked(value, name, where)
        address = urlsplit(rest).netloc if rest else grpc or ""
        name = re.sub(r"[^\w.]+", "-", address).strip("-")
        return _consistent(cls(where.file, "", TargetSection(name, rest=rest, grpc=grpc)))

    @property
    def folder(self) -> Path:
        """Where the file lies: what `{here}` stands for, and where a start command runs."""
        return self.file.absolute().parent

    @property
    def serves_rest(self) -> bool:
        """Whether there is a REST plane to judge."""
        return bool(self.target.rest) or self._starts_on(self.ports.http, "http_port")

    @property
    def serves_grpc(self) -> bool:
        """Whether there is a gRPC plane to judge."""
        return bool(self.target.grpc) or self._starts_on(self.ports.grpc, "grpc_port")

    def _starts_on(self, port: int, placeholder: str) -> bool:
        if self.start is None:
            return False
        texts = [*self.start.command, *self.start.environment.values()]
        return port > 0 or placeholder in _placeholders(" ".join(texts))

    def headers(self, environ: Mapping[str, str] = os.environ) -> Mapping[str, str]:
        """The headers to send, their values taken from the environment now."""
        where = Where(self.file, "auth")
        for name, secret in self.auth.headers.items():
            if not environ.get(secret.variable):
                raise where.mistake(
                    f"headers.{name}",
                    f"its value in the environment variable {secret.variable}",
                    "that variable unset",
                )
        return {
            name: f"{secret.scheme} {environ[secret.variable]}".lstrip()
            for name, secret in self.auth.headers.items()
        }

    def tls(self) -> Tls | None:
        """Whom to trust and who we are; None where nothing is encrypted."""
        auth = self.auth
        encrypted = (self.target.rest or "").startswith("https:")
        if not (encrypted or auth.ca_file or auth.client_certificate):
            return None
        return Tls(auth.ca_file, auth.client_certificate, auth.client_key)


def fill(text: str, values: Mapping[str, object]) -> str:
    """The text with its placeholders filled; braces that are none of them stay."""
    return PLACEHOLDER.sub(lambda match: str(values.get(match[1], match[0])), text)


def load(path: Path) -> Manifest:
    """Reads a target file; any mistake is a `ManifestError` of one line."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ManifestError(f"{path}: expected a target file, found {error.strerror}") from None
    document = _parse(path, data)
    top = Where(path, "")
    for name in document:
        known(name, SECTIONS, top.inner(name))
    sections = {name: SECTIONS[name](table, top.inner(name)) for name, table in document.items()}
    if "target" not in sections:
        raise top.inner("target").mistake("name", NAME.expected, "nothing")
    return _consistent(Manifest(path, hashlib.sha256(data).hexdigest(), **sections))


def _parse(path: Path, data: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ManifestError(f"{path}: line {line}: expected UTF-8, found other bytes") from None
    except tomllib.TOMLDecodeError as error:
        text, _, place = str(error).removesuffix(")").rpartition(" (at ")
        if place == "end of document":
            place = f"line {len(data.splitlines())}"
        raise ManifestError(f"{path}: {place}: expected valid TOML, found: {text}") from None


def _consistent(manifest: Manifest) -> Manifest:
    """Refuses what each key allows and the whole does not."""
    target, auth = manifest.target, manifest.auth
    if not (manifest.serves_rest or manifest.serves_grpc):
        expected = "a URL, or a [start] command with {http_port} or {grpc_port}"
        raise Where(manifest.file, "target").mistake("rest", expected, "neither")
    for name, kind, address in (("rest", REST, target.rest), ("grpc", GRPC, target.grpc)):
        if address and manifest.start is None and _placeholders(address):
            where = Where(manifest.file, "target")
            raise where.mistake(name, f"{kind.expected} as there is no [start]", repr(address))
    if (auth.client_certificate is None) != (auth.client_key is None):
        given, absent = (
            ("certificate", "key") if auth.client_certificate else ("key", "certificate")
        )
        where = Where(manifest.file, "auth")
        raise where.mistake(f"client_{absent}", f"a file, as client_{given} is given", "nothing")
    return manifest


def _one(section: type[T]) -> Callable[[object, Where], T]:
    return partial(read, section)


def _many(
    item: Callable[[object, Where], T], names: Collection[str] = ()
) -> Callable[[object, Where], Mapping[str, T]]:
    """Tables within a table, such as `[fixtures.NAME]`; empty `names`: any name."""

    def reader(table: object, where: Where) -> Mapping[str, T]:
        found = {}
        for name, inner in where.table(table).items():
            if names:
                known(name, names, where.inner(name))
            found[name] = item(inner, where.inner(name))
        return found

    return reader


SECTIONS: Mapping[str, Callable[[object, Where], Any]] = {
    "target": _one(TargetSection),
    "start": _one(Start),
    "ports": _one(Ports),
    "auth": _one(Auth),
    "fixtures": _many(_one(FixtureNames), FIXTURES),
    "claims": _many(scalars, CLAIMABLE),
    "metrics": scalars,
    "objectives": scalars,
    "quantization": _many(scalars),
    "chaos": scalars,
}
