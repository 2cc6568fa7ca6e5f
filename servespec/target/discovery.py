"""What a running server shows of itself, as the start of a target file."""

import contextlib
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message

from ..fixtures import FIXTURES
from ..wire import proto as pb
from ..wire.messages import TensorMetadata
from .exchange import Exchange
from .manifest import Manifest, ManifestError
from .outcomes import Nonconformance
from .sections import FixtureNames
from .skeleton import skeleton
from .target import Target

__all__ = ["Detected", "FoundModel", "InitError", "detect", "init"]

USUAL_GRPC_PORTS = (8081, 9000, 8001, 8033, 7070)
"""KServe and MLServer, OpenVINO, Triton, ModelMesh, TorchServe."""
CONNECT_SECONDS = 0.5
ANSWER_SECONDS = 5.0


class InitError(ValueError):
    """Nothing can be written for this server: one line."""


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model that the server describes; empty where the description leaves something out."""

    name: str
    versions: tuple[str, ...]
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]

    @classmethod
    def read(cls, name: str, metadata: Mapping[str, Any]) -> "FoundModel":
        """From the metadata's JSON, taking what can be made sense of."""
        return cls(
            name,
            tuple(str(version) for version in _list(metadata, "versions")),
            tuple(_tensors(metadata, "inputs")),
            tuple(_tensors(metadata, "outputs")),
        )


@dataclass(frozen=True, slots=True)
class Detected:
    """What was found.

    Attributes:
        rest: the URL where the Open Inference Protocol answers, None where it does not.
        grpc: the address where it answers over gRPC, None where it does not.
        health: whether the gRPC plane has the standard health service.
        models: those that are listed, were asked for or are fixtures, by name.
        fixtures: the fixtures that are hosted, with the server's names where they differ.
        notes: what could not be found and why, in sentences.
    """

    rest: str | None
    grpc: str | None
    health: bool = False
    name: str = ""
    version: str = ""
    extensions: tuple[str, ...] = ()
    models: Mapping[str, FoundModel] = field(default_factory=dict)
    fixtures: Mapping[str, FixtureNames] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def init(url: str, grpc: str | None, models: Sequence[str], output: Path) -> None:
    """Probes the server and writes a target file for it, ready to edit.

    Raises:
        InitError: the file is there already, or there is no such server.
    """
    if output.exists():
        raise InitError(f"{output}: expected a file that is not there yet, found one")
    text = skeleton(url, detect(url, grpc, models))
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise InitError(f"{output}: cannot be written: {error.strerror}") from None


def detect(rest_url: str, grpc_address: str | None = None, models: Sequence[str] = ()) -> Detected:
    """Asks a running server what it is and what it hosts.

    Without `grpc_address` the usual ports of the same host are tried.

    Raises:
        InitError: the addresses are none, or nothing answers at the URL.
    """
    try:
        Manifest.for_url(rest_url, grpc_address)
    except ManifestError as error:
        raise InitError(str(error)) from None
    notes: list[str] = []
    with contextlib.ExitStack() as stack:
        rest = _Rest(rest_url)
        stack.callback(rest.close)
        over_rest = rest.server(notes)
        rpc = _grpc_plane(rest_url, grpc_address, over_rest, notes)
        if rpc:
            stack.callback(rpc.close)
        over_grpc = rpc.server() if rpc else None
        plane = rpc if over_rest is None else rest
        server = over_rest or over_grpc or {}
        found = _models(plane, models, notes) if plane else {}
        return Detected(
            rest=None if over_rest is None else rest_url,
            grpc=rpc.address if rpc else None,
            health=bool(rpc and rpc.health()),
            name=str(server.get("name", "")),
            version=str(server.get("version", "")),
            extensions=tuple(map(str, _list(server, "extensions"))),
            models=found,
            fixtures=_fixtures(found, notes),
            notes=tuple(notes),
        )


class _Rest:
    """What is asked over REST."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._target = Target.at(url)
        self._plane = self._target.rest

    def close(self) -> None:
        self._target.close()

    def server(self, notes: list[str]) -> Mapping[str, Any] | None:
        """The server's metadata, empty if only its health answers; None without the protocol."""
        metadata = self._get("/v2")
        if metadata.failure:
            raise InitError(f"{self.url}: expected a running server, found: {metadata.failure}")
        if metadata.status in (401, 403):
            notes.append(
                f"GET /v2 answers {metadata.status}: name a token in [auth] before judging."
            )
        described = _object(metadata)
        if described is not None:
            return described
        live = self._get("/v2/health/live")
        notes.append(f"GET /v2 answers {metadata.status}: no server metadata.")
        if live.status == 200:
            return {}
        notes.append(
            f"GET /v2/health/live answers {live.status}: "
            "the Open Inference Protocol is not served over REST at this URL."
        )
        return None

    def listed(self) -> Iterator[str]:
        """The models of the repository extension and of KServe V1, where there is such a list."""
        index = self._plane.request(
            "POST",
            "/v2/repository/index",
            headers={"Content-Type": "application/json"},
            body=b"{}",
            timeout=ANSWER_SECONDS,
        )
        entries = _json(index)
        for entry in entries if isinstance(entries, list) else []:
            if isinstance(entry, dict) and "name" in entry:
                yield str(entry["name"])
        yield from map(str, _list(_object(self._get("/v1/models")) or {}, "models"))

    def model(self, name: str) -> Mapping[str, Any] | None:
        """A model's metadata, None where there is none."""
        return _object(self._get(f"/v2/models/{quote(name, safe='')}"))

    def _get(self, path: str) -> Exchange:
        return self._plane.request("GET", path, timeout=ANSWER_SECONDS)


class _Grpc:
    """What is asked over gRPC."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._target = Target.at(None, address)
        self._plane = self._target.grpc

    def close(self) -> None:
        self._target.close()

    def server(self) -> Mapping[str, Any] | None:
        """The server's metadata, empty if only its health answers; None without the protocol."""
        described = self._call("ServerMetadata", pb.ServerMetadataRequest())
        if described is None and self._call("ServerLive", pb.ServerLiveRequest()) is not None:
            return {}
        return described

    def listed(self) -> Iterator[str]:
        """None: the protocol has no list of models over gRPC."""
        yield from ()

    def model(self, name: str) -> Mapping[str, Any] | None:
        """A model's metadata, None where there is none."""
        return self._call("ModelMetadata", pb.ModelMetadataRequest(name=name))

    def health(self) -> bool:
        """Whether the standard health service answers."""
        code = self._plane.health_check(timeout=ANSWER_SECONDS).code
        return code in (grpc.StatusCode.OK, grpc.StatusCode.NOT_FOUND)

    def _call(self, method: str, message: Message) -> Mapping[str, Any] | None:
        exchange = self._plane.call(method, message, timeout=ANSWER_SECONDS)
        if exchange.code is not grpc.StatusCode.OK:
            return None
        answer: dict[str, Any] = json_format.MessageToDict(
            exchange.message, preserving_proto_field_name=True
        )
        return answer


def _grpc_plane(
    url: str, address: str | None, server: Mapping[str, Any] | None, notes: list[str]
) -> _Grpc | None:
    """The gRPC plane: the one that was given, or one at a usual port that is the same server."""
    host = urlsplit(url).hostname or ""
    host = f"[{host}]" if ":" in host else host
    for candidate in [address] if address else [f"{host}:{port}" for port in USUAL_GRPC_PORTS]:
        if not _accepts(candidate):
            continue
        plane = _Grpc(candidate)
        described = plane.server()
        if described is not None and (address or _same(described, server)):
            return plane
        plane.close()
        if described is not None:
            notes.append(f"{candidate} speaks gRPC and calls itself {described.get('name')!r}.")
    tried = address or f"{host}, ports {', '.join(map(str, USUAL_GRPC_PORTS))}"
    notes.append(f"No gRPC plane of this server at {tried}.")
    return None


def _same(one: Mapping[str, Any], other: Mapping[str, Any] | None) -> bool:
    """Whether two planes that were not named together may be one server's."""
    return not other or one.get("name") == other.get("name")


def _accepts(address: str) -> bool:
    parts = urlsplit(f"//{address}")
    try:
        socket.create_connection((parts.hostname, parts.port), CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def _models(plane: _Rest | _Grpc, named: Sequence[str], notes: list[str]) -> dict[str, FoundModel]:
    """The models that are named, listed or fixtures, as far as the server describes them."""
    listed = [name.encode(errors="replace").decode() for name in plane.listed()]
    if not listed:
        notes.append("The server lists no models: only fixtures and those named were looked for.")
    found: dict[str, FoundModel] = {}
    for name in dict.fromkeys([*named, *listed, *FIXTURES]):
        metadata = plane.model(name)
        if metadata is not None:
            found[name] = FoundModel.read(name, metadata)
        elif name in named or name in listed:
            notes.append(f"The model {name!r} has no metadata.")
    return found


def _fixtures(models: Mapping[str, FoundModel], notes: list[str]) -> dict[str, FixtureNames]:
    """The fixtures among the models, with the server's tensor names where they differ."""
    found = {}
    for name, spec in FIXTURES.items():
        if model := models.get(name):
            inputs = _renamed(spec.inputs, model.inputs)
            outputs = _renamed(spec.outputs, model.outputs)
            if inputs is None or outputs is None:
                notes.append(f"The model {name!r} has other tensors than the fixture of that name.")
            else:
                found[name] = FixtureNames(inputs=inputs, outputs=outputs)
    return found


def _renamed(
    ours: Sequence[TensorMetadata], theirs: Sequence[TensorMetadata]
) -> Mapping[str, str] | None:
    """Their names by ours where they differ; None when the tensors are not the same."""
    named = {(tensor.name, tensor.datatype) for tensor in ours}
    if not theirs or named == {(tensor.name, tensor.datatype) for tensor in theirs}:
        return {}
    if [tensor.datatype for tensor in ours] != [tensor.datatype for tensor in theirs]:
        return None
    return {our.name: their.name for our, their in zip(ours, theirs, strict=True)}


def _tensors(metadata: Mapping[str, Any], key: str) -> Iterator[TensorMetadata]:
    for entry in _list(metadata, key):
        with contextlib.suppress(LookupError, TypeError, ValueError):
            shape = tuple(int(dimension) for dimension in entry["shape"])
            yield TensorMetadata(str(entry["name"]), str(entry["datatype"]), shape)


def _json(exchange: Exchange) -> Any:
    try:
        return exchange.must_succeed().json()
    except Nonconformance:
        return None


def _object(exchange: Exchange) -> Mapping[str, Any] | None:
    value = _json(exchange)
    return value if isinstance(value, dict) else None


def _list(value: Mapping[str, Any], key: str) -> list[Any]:
    found = value.get(key)
    return found if isinstance(found, list) else []
