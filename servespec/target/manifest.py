"""The target file: what a user says about the server to be judged, checked key by key."""

import hashlib
import os
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import astuple, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ..fixtures import FIXTURES
from .connection import Tls
from .objective import Objective, ObjectiveError
from .schema import TEXT, ManifestError, Where, known, read, scalars
from .sections import (
    GRPC,
    NAME,
    REST,
    Auth,
    Chaos,
    FixtureNames,
    Metrics,
    Ports,
    Probes,
    Start,
    TargetSection,
    placeholders,
)

__all__ = [
    "CLAIMABLE",
    "Addresses",
    "Manifest",
    "ManifestError",
    "load",
]

T = TypeVar("T")

CLAIMABLE = (
    *("oip-rest", "oip-grpc", "http", "grpc-health", "binary"),
    *("repository", "statistics", "sequence", "classification", "generate", "shared-memory"),
    *("scheduling", "parameters", "trace", "logging", "model-configuration"),
    *("kserve-v1", "tfserving", "torchserve"),
    *("probes", "shutdown", "batching", "caching", "overload", "metrics", "tracing"),
    *("quantization", "rollout", "soak", "load", "chaos", "checklist"),
)
"""The profiles that a target can claim."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a server is reached.

    Attributes:
        rest: its REST URL, None without that plane.
        grpc: its gRPC address, None without that plane.
        probes: what comes before the paths of the probes, None where that is the REST URL.
        metrics: the whole URL of the metrics, None where they are at `/metrics` of the REST URL.
    """

    rest: str | None = None
    grpc: str | None = None
    probes: str | None = None
    metrics: str | None = None


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
    probes: Probes = field(default_factory=Probes)
    metrics: Metrics = field(default_factory=Metrics)
    objectives: Mapping[str, Objective] = field(default_factory=dict)
    budget: Mapping[str, Objective] = field(default_factory=dict)
    quantization: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    chaos: Chaos = field(default_factory=Chaos)

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
        return self.start is not None and (port > 0 or placeholder in self.mentioned)

    @property
    def mentioned(self) -> set[str]:
        """The placeholders in the start command and in its environment."""
        if self.start is None:
            return set()
        return placeholders(" ".join([*self.start.command, *self.start.environment.values()]))

    @property
    def addresses(self) -> Addresses:
        """Where the server is reached; those of a server to be started may hold placeholders."""
        return Addresses(
            (self.target.rest or "http://127.0.0.1:{http_port}") if self.serves_rest else None,
            (self.target.grpc or "127.0.0.1:{grpc_port}") if self.serves_grpc else None,
            self.probes.url,
            self.metrics.url,
        )

    @property
    def pinned(self) -> str | None:
        """Why no second server can run beside a first; None where it can, on other ports."""
        for address in filter(None, astuple(self.addresses)):
            ports = placeholders(address)
            if not ports:
                return f"its address {address} is fixed"
            if ports - self.mentioned:
                return f"its start command does not mention {{{min(ports - self.mentioned)}}}"
        return None

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
    places = (
        ("target", "rest", REST, target.rest),
        ("target", "grpc", GRPC, target.grpc),
        ("probes", "url", REST, manifest.probes.url),
        ("metrics", "url", REST, manifest.metrics.url),
    )
    for section, name, kind, address in places:
        if address and manifest.start is None and placeholders(address):
            where = Where(manifest.file, section)
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


def _objectives(table: object, where: Where) -> Mapping[str, Objective]:
    found = {}
    for name, text in where.table(table).items():
        try:
            found[name] = Objective.parse(TEXT.checked(text, name, where))
        except ObjectiveError as error:
            raise where.mistake(name, error.expected, error.found) from None
    return found


SECTIONS: Mapping[str, Callable[[object, Where], Any]] = {
    "target": _one(TargetSection),
    "start": _one(Start),
    "ports": _one(Ports),
    "auth": _one(Auth),
    "fixtures": _many(_one(FixtureNames), (*FIXTURES, "minilm")),  # which a user provides
    "claims": _many(scalars, CLAIMABLE),
    "probes": _one(Probes),
    "metrics": _one(Metrics),
    "objectives": _objectives,
    "budget": _objectives,
    "quantization": _many(scalars),
    "chaos": _one(Chaos),
}
