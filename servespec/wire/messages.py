"""What is said over the wire, free of any encoding."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

__all__ = [
    "InferRequest",
    "InferResponse",
    "ModelMetadata",
    "Parameters",
    "RequestedOutput",
    "ServerMetadata",
    "Tensor",
    "TensorMetadata",
    "WireError",
]

Parameters = Mapping[str, bool | int | float | str]


class WireError(ValueError):
    """Bytes that are no message of the protocol; the text says where and what was expected."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A named tensor; its shape is the array's, its element type the datatype's `dtype`."""

    name: str
    datatype: str
    array: np.ndarray
    parameters: Parameters = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RequestedOutput:
    """An output asked for by name. `binary` is None where the request leaves it to the default."""

    name: str
    binary: bool | None = None
    parameters: Parameters = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InferRequest:
    """One inference. Empty `model_version`: the server chooses. Empty `outputs`: all of them.

    `binary_output` is the request's default for outputs that do not say (binary extension).
    """

    model_name: str
    inputs: tuple[Tensor, ...]
    model_version: str = ""
    id: str = ""
    outputs: tuple[RequestedOutput, ...] = ()
    parameters: Parameters = field(default_factory=dict)
    binary_output: bool = False


@dataclass(frozen=True, slots=True)
class InferResponse:
    """The answer: `outputs` in the order in which they were requested."""

    model_name: str
    model_version: str
    outputs: tuple[Tensor, ...]
    id: str = ""
    parameters: Parameters = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TensorMetadata:
    """A tensor of a model's signature; a dimension of -1 is variable."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """What a model says of itself; `versions` are strings, each of them requestable."""

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]


@dataclass(frozen=True, slots=True)
class ServerMetadata:
    """What a server says of itself; `extensions` are the protocol extensions it serves."""

    name: str
    version: str
    extensions: tuple[str, ...]
