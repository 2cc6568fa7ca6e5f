"""Reads the golden vectors: what is on the wire, and what it means."""

import re
import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
import pytest

from ..datatypes import DATATYPES
from ..messages import (
    InferRequest,
    InferResponse,
    ModelMetadata,
    RequestedOutput,
    ServerMetadata,
    Tensor,
    TensorMetadata,
)


@dataclass(frozen=True)
class Vector:
    """One entry of a file; `entry` holds what is special to its kind."""

    name: str
    wire: str
    value: dict[str, Any]
    entry: dict[str, Any]


def vectors(file: str, kind: str) -> pytest.MarkDecorator:
    """Runs a test with each vector of a kind in a file."""
    text = (resources.files("servespec.wire") / "vectors" / file).read_text("utf-8")
    found = [
        Vector(entry["name"], entry["wire"], entry["value"], entry)
        for entry in tomllib.loads(text)[kind]
    ]
    return pytest.mark.parametrize("vector", found, ids=[vector.name for vector in found])


def from_hex(text: str) -> bytes:
    """The bytes of a hexadecimal text with comments after `#` and bars between blocks."""
    return bytes.fromhex(re.sub(r"#[^\n]*|\|", "", text))


def tensor(value: dict[str, Any]) -> Tensor:
    """A tensor as a vector gives it."""
    dtype = DATATYPES[value["datatype"]].dtype
    if "elements" in value:
        array = np.empty(len(value["elements"]), dtype)
        array[:] = [bytes.fromhex(element) for element in value["elements"]]
    else:
        array = np.frombuffer(bytes.fromhex(value["raw"]), dtype)
    return Tensor(
        value["name"],
        value["datatype"],
        array.reshape(value["shape"]),
        value.get("parameters", {}),
    )


def request(value: dict[str, Any], model_name: str, model_version: str = "") -> InferRequest:
    """A request as a vector gives it."""
    return InferRequest(
        model_name=value.get("model_name", model_name),
        model_version=value.get("model_version", model_version),
        id=value.get("id", ""),
        inputs=tuple(map(tensor, value["inputs"])),
        outputs=tuple(RequestedOutput(**output) for output in value.get("outputs", [])),
        parameters=value.get("parameters", {}),
        binary_output=value.get("binary_output", False),
    )


def response(value: dict[str, Any]) -> InferResponse:
    """An answer as a vector gives it."""
    return InferResponse(
        model_name=value["model_name"],
        model_version=value.get("model_version", ""),
        id=value.get("id", ""),
        outputs=tuple(map(tensor, value["outputs"])),
        parameters=value.get("parameters", {}),
    )


def server_metadata(value: dict[str, Any]) -> ServerMetadata:
    """Server metadata as a vector gives it."""
    return ServerMetadata(value["name"], value["version"], tuple(value["extensions"]))


def model_metadata(value: dict[str, Any]) -> ModelMetadata:
    """Model metadata as a vector gives it."""

    def signature(tensors: list[dict[str, Any]]) -> tuple[TensorMetadata, ...]:
        return tuple(
            TensorMetadata(each["name"], each["datatype"], tuple(each["shape"])) for each in tensors
        )

    return ModelMetadata(
        value["name"],
        tuple(value["versions"]),
        value["platform"],
        signature(value["inputs"]),
        signature(value["outputs"]),
    )
