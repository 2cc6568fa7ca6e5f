"""A target file for a server that was looked at: what was found, and what a person should add."""

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from ..fixtures import FIXTURES
from ..wire.messages import TensorMetadata

if TYPE_CHECKING:
    from .discovery import Detected, FoundModel

__all__ = ["skeleton"]

WIDTH = 96
PROFILES = {
    "binary_tensor_data": "binary",
    "model_repository": "repository",
    "model_configuration": "model-configuration",
    "statistics": "statistics",
    "sequence": "sequence",
    "classification": "classification",
    "schedule_policy": "scheduling",
    "parameters": "parameters",
    "generate": "generate",
    "trace": "trace",
    "logging": "logging",
}
"""The profile that judges an extension, by the name under which servers list it."""


def skeleton(url: str, found: "Detected") -> str:
    """The text of the target file; it loads as it is."""
    sections = (
        _head(url, found),
        _target(url, found),
        _start(),
        _auth(),
        _models(found),
        _fixtures(found),
        _claims(found),
    )
    return "\n".join("\n".join(section) + "\n" for section in map(list, sections))


def _head(url: str, found: "Detected") -> Iterator[str]:
    yield from _comment(f"Target file for the server at {url}, written by `servespec init`.")
    yield from _comment("Each comment says what was found or what can be added. Then judge with")
    yield from _comment("    servespec certify --target FILE")
    for note in found.notes:
        yield from _comment(f"- {note}")


def _target(url: str, found: "Detected") -> Iterator[str]:
    yield "[target]"
    name = re.sub(r"[^\w.]+", "-", found.name or re.sub(r".*//", "", url), flags=re.ASCII)
    yield f"name = {_text(name.strip('-.')[:64] or 'server')}"
    yield f"version = {_text(found.version)}"
    yield 'dialect = "oip"'
    if found.rest or not found.grpc:
        yield f"rest = {_text(url)}"
    else:
        yield from _comment("rest: the protocol is not served there; REST checks are left out.")
    if found.grpc:
        yield f"grpc = {_text(found.grpc)}"
    else:
        yield from _comment('grpc = "host:port": was not found; gRPC checks are left out.')


def _start() -> Iterator[str]:
    yield from _comment(
        "With a start command the suite starts and stops the server itself. Checks that may kill "
        "it, probes and shutdown are judged only then; the URLs above may then be left out."
    )
    yield "# [start]"
    yield '# command = ["my-server", "--http-port", "{http_port}", "--grpc-port", "{grpc_port}"]'
    yield "# ready_seconds = 60"


def _auth() -> Iterator[str]:
    yield from _comment("For a server behind a gateway. Values come from environment variables.")
    yield "# [auth]"
    yield '# headers = { Authorization = "Bearer env:MY_TOKEN" }'
    yield '# ca_file = "ca.pem"'


def _models(found: "Detected") -> Iterator[str]:
    others = [model for model in found.models.values() if model.name not in found.fixtures]
    yield from _comment(
        f"Models found: {len(found.models)}, of them fixtures: {len(found.fixtures)}."
    )
    for model in others:
        versions = f" (versions {', '.join(model.versions)})" if model.versions else ""
        shapes = f"{_shapes(model.inputs)} -> {_shapes(model.outputs)}"
        yield from _comment(f"- {model.name}{versions}: {shapes}")
        if alike := _alike(model):
            yield from _comment(
                f"  Has the tensors of {', '.join(alike)}. If it computes the same, map it: "
                f'[fixtures.{alike[0]}] with model = "{model.name}", inputs and outputs.'
            )


def _fixtures(found: "Detected") -> Iterator[str]:
    missing = [
        name
        for name, spec in FIXTURES.items()
        if not spec.on_request and name not in found.fixtures
    ]
    yield from _comment(f"Fixtures hosted: {', '.join(found.fixtures) or 'none'}.")
    if missing:
        yield from _comment(
            f"Not hosted: {', '.join(missing)}. What needs one of them is UNTESTABLE. "
            "`servespec fixtures DIR` writes them as a model repository."
        )
    for name, names in found.fixtures.items():
        if names.inputs or names.outputs:
            yield f"[fixtures.{name}]"
            yield f"inputs = {_table(names.inputs)}"
            yield f"outputs = {_table(names.outputs)}"


def _claims(found: "Detected") -> Iterator[str]:
    yield from _comment(
        "What the server claims. A claimed profile is judged; what a claim says, such as "
        "claims.overload.concurrency = 16, is what the server documents."
    )
    planes = {"oip-rest": found.rest, "http": found.rest, "oip-grpc": found.grpc}
    claimed = [profile for profile, plane in planes.items() if plane]
    claimed += ["grpc-health"] if found.health else []
    claimed += [profile for name, profile in PROFILES.items() if name in found.extensions]
    yield from (f"[claims.{profile}]" for profile in claimed)
    unlisted = [name for name in PROFILES if name not in found.extensions]
    unjudged = [name for name in found.extensions if name not in PROFILES]
    if unlisted:
        yield from _comment(
            f"Not claimed, as the server does not list the extension: {', '.join(unlisted)}."
        )
    if unjudged:
        yield from _comment(f"Extensions that no profile judges: {', '.join(unjudged)}.")


def _alike(model: "FoundModel") -> list[str]:
    """The fixtures whose tensors have the same datatypes and shapes, in order."""
    kinds = _kinds(model.inputs), _kinds(model.outputs)
    return [
        name
        for name, spec in FIXTURES.items()
        if not spec.on_request and (_kinds(spec.inputs), _kinds(spec.outputs)) == kinds
    ]


def _kinds(tensors: Iterable[TensorMetadata]) -> list[tuple[str, tuple[int, ...]]]:
    return [(tensor.datatype, tensor.shape) for tensor in tensors]


def _shapes(tensors: Iterable[TensorMetadata]) -> str:
    return ", ".join(f"{t.name} {t.datatype} {list(t.shape)}" for t in tensors) or "not described"


def _comment(text: str) -> list[str]:
    """Comment lines; what a server says of itself cannot end them."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return textwrap.wrap(
        printable, WIDTH, initial_indent="# ", subsequent_indent="#   ", drop_whitespace=True
    )


def _text(value: str) -> str:
    """A TOML string: JSON's escapes are TOML's, except for what is not printable."""
    return json.dumps("".join(filter(str.isprintable, value)), ensure_ascii=False)


def _table(names: Mapping[str, str]) -> str:
    pairs = ", ".join(f"{_text(ours)} = {_text(theirs)}" for ours, theirs in names.items())
    return f"{{ {pairs} }}"
