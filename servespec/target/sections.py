"""The sections of a target file: each key, what it may be, and what it is when it is left out."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from .schema import FILE, PORT, SECONDS, TEXT, TEXTS, WORDS, Kind, matching, one_of

__all__ = [
    "GRPC",
    "NAME",
    "REST",
    "Auth",
    "Chaos",
    "FixtureNames",
    "Metrics",
    "Ports",
    "Probes",
    "Start",
    "TargetSection",
    "fill",
    "placeholders",
]

T = TypeVar("T")

PORTS = ("http_port", "grpc_port", "metrics_port", "probe_port", "defects_port")
PLACEHOLDERS = (*PORTS, "models", "python", "here")
PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
SECRET = re.compile(r"(?:(?P<scheme>[A-Za-z]+) )?env:(?P<variable>[A-Za-z_]\w*)")


@dataclass(frozen=True, slots=True)
class Secret:
    """A header's value that only the environment knows, after an optional scheme (`Bearer`)."""

    scheme: str
    variable: str


def placeholders(text: str) -> set[str]:
    """The names between braces."""
    return set(PLACEHOLDER.findall(text))


def fill(text: str, values: Mapping[str, object]) -> str:
    """The text with its placeholders filled; braces that are none of them stay."""
    return PLACEHOLDER.sub(lambda match: str(values.get(match[1], match[0])), text)


def _with_placeholders(kind: Kind[T], texts: Callable[[T], Collection[str]]) -> Kind[T]:
    """The same kind, its texts holding no placeholder but those that the suite fills."""

    def reader(value: Any, folder: Path) -> T:
        accepted = kind.read(value, folder)
        unknown = placeholders(" ".join(texts(accepted))) - {*PLACEHOLDERS}
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
    url = urlsplit(fill(text, dict.fromkeys(PORTS, 1)))
    web = url.scheme in ("http", "https") and url.hostname
    if not web or url.port == 0 or re.search(r"[\s?#]", text):  # .port refuses what is no port
        raise ValueError
    return text


COMMAND = _with_placeholders(WORDS, lambda words: words)
VARIABLES = _with_placeholders(TEXTS, lambda table: table.values())
NAME = matching("a name of letters, digits, dots, dashes and underscores", r"\w[\w.-]{0,63}")
PATH = matching('a path such as "/v2/health/ready"', r"/\S*")
REST = Kind('a URL such as "http://host:8080"', _rest)
METRIC = matching(
    'the name of a metric such as "inference_requests_total"', r"[a-zA-Z_:][a-zA-Z0-9_:]*"
)
LABEL = matching('the name of a label such as "model"', r"[a-zA-Z_][a-zA-Z0-9_]*")
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
    metrics: Annotated[int, PORT] = 0
    probes: Annotated[int, PORT] = 0


@dataclass(frozen=True, slots=True)
class Probes:
    """`[probes]`: what an orchestrator asks. Without `url` it is asked at the REST URL."""

    url: Annotated[str | None, REST] = None
    live: Annotated[str, PATH] = "/v2/health/live"
    ready: Annotated[str, PATH] = "/v2/health/ready"
    startup: Annotated[str | None, PATH] = None


@dataclass(frozen=True, slots=True)
class Metrics:
    """`[metrics]`: where the server's metrics are read, and its names for ours.

    Without `url` they are at `/metrics` of the REST URL; without `failures` the failed requests are
    counted in `requests`, in series of their own; hits and misses of a cache likewise, where they
    have one name. Without `shadow` nobody counts what is mirrored.
    """

    url: Annotated[str | None, REST] = None
    requests: Annotated[str, METRIC] = "inference_requests_total"
    failures: Annotated[str | None, METRIC] = None
    request_seconds: Annotated[str, METRIC] = "inference_request_seconds"
    queue_seconds: Annotated[str, METRIC] = "inference_queue_seconds"
    compute_seconds: Annotated[str, METRIC] = "inference_compute_seconds"
    queue_depth: Annotated[str, METRIC] = "inference_queue_depth"
    in_flight: Annotated[str, METRIC] = "inference_in_flight"
    batch_rows: Annotated[str, METRIC] = "inference_batch_rows"
    refused: Annotated[str, METRIC] = "inference_shed_total"
    cache_hits: Annotated[str, METRIC] = "inference_cache_total"
    cache_misses: Annotated[str, METRIC] = "inference_cache_total"
    shadow: Annotated[str | None, METRIC] = None
    model_label: Annotated[str, LABEL] = "model"
    version_label: Annotated[str, LABEL] = "version"


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
class Chaos:
    """`[chaos]`: how a server is harmed that was started to be: its engine killed or hung.

    `arguments` are added to its start command; `mend` undoes both harms.
    """

    arguments: Annotated[tuple[str, ...], COMMAND] = ()
    kill: Annotated[tuple[str, ...], COMMAND] = ()
    hang: Annotated[tuple[str, ...], COMMAND] = ()
    mend: Annotated[tuple[str, ...], COMMAND] = ()
