"""What a model takes and gives, and whether a request fits: all validation that needs the model."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto

import numpy as np

from servespec.wire.datatypes import DATATYPES
from servespec.wire.messages import InferRequest, Tensor, TensorMetadata

from .errors import InvalidRequest, LoadError
from .model_file import Batching, Padding

__all__ = [
    "Reuse",
    "SharedDimension",
    "Signature",
    "Urgency",
    "Work",
    "batched",
    "difference",
    "fits",
]

_LARGEST_EMPTY = 2**20
"""The most that the dimensions of a tensor without elements may come to, its zeros left out: it
costs the client nothing, and a model that adds up the columns of [4294967296, 0] answers 16 GiB."""


class Reuse(Enum):
    """What a caller wants of the answers to others."""

    ALLOWED = auto()
    NO_CACHE = auto()
    """To be computed for this caller, and then kept."""
    NO_STORE = auto()
    """To be computed for this caller alone."""


@dataclass(slots=True, eq=False)
class Urgency:
    """The priority of work that several wait for: that of the most urgent one so far."""

    priority: int


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be computed. Below this nobody sees the wire.

    Attributes:
        tensors: an array for each of the model's inputs, by name.
        outputs: the names of the outputs to compute, in the order of the answer.
        key: what work has in common that has one answer; None where nobody needs it.
        reuse: what the caller wants of the answers to others.
        deadline: after which nobody wants it any more, on the monotonic clock; None: never.
        priority: the smaller one goes first.
        urgency: what counts instead, where others may come to wait for this.
    """

    tensors: Mapping[str, np.ndarray]
    outputs: tuple[str, ...]
    key: bytes | None = None
    reuse: Reuse = Reuse.ALLOWED
    deadline: float | None = None
    priority: int = 0
    urgency: Urgency | None = None


@dataclass(frozen=True, slots=True)
class SharedDimension:
    """A variable dimension that several inputs have in common.

    Attributes:
        name: as the model calls it.
        places: input and axis, at least two.
    """

    name: str
    places: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """A model's inputs and outputs by name, in the model's order."""

    inputs: Mapping[str, TensorMetadata]
    outputs: Mapping[str, TensorMetadata]
    shared: tuple[SharedDimension, ...] = ()

    def validate(self, request: InferRequest) -> Work:
        """Bind the request's tensors to the model's inputs by name; the codec saw to twins.

        Raises:
            InvalidRequest: names the tensor, and what was expected.
        """
        tensors = {tensor.name: self._fitting(tensor) for tensor in request.inputs}
        if len(tensors) != len(self.inputs):
            missing = next(name for name in self.inputs if name not in tensors)
            raise InvalidRequest(f"input {missing!r} is missing")
        self.check_shared(tensors)
        return Work(tensors, self._requested(request))

    def check_shared(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Hold several inputs to the dimensions that they have in common.

        Raises:
            InvalidRequest: names the dimension, and what was found.
        """
        for dimension in self.shared:
            _must_agree(dimension, tensors)

    def _fitting(self, tensor: Tensor) -> np.ndarray:
        expected = self.inputs.get(tensor.name)
        if expected is None:
            raise InvalidRequest(
                f"unknown input {tensor.name!r}; expected {', '.join(map(repr, self.inputs))}"
            )
        if tensor.datatype != expected.datatype:
            raise InvalidRequest(
                f"input {tensor.name!r}: datatype {tensor.datatype}; expected {expected.datatype}"
            )
        if not fits(tensor.array.shape, expected.shape):
            raise InvalidRequest(
                f"input {tensor.name!r}: shape {list(tensor.array.shape)}; "
                f"expected {list(expected.shape)}"
            )
        if not tensor.array.size:
            _must_be_small(tensor)
        return tensor.array

    def _requested(self, request: InferRequest) -> tuple[str, ...]:
        if not request.outputs:
            return tuple(self.outputs)
        names = tuple(output.name for output in request.outputs)
        for name in names:
            if name not in self.outputs:
                raise InvalidRequest(
                    f"unknown output {name!r}; expected {', '.join(map(repr, self.outputs))}"
                )
        return names


def fits(shape: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    """Whether an array's shape is one of those that a signature's shape stands for."""
    if len(shape) != len(expected):
        return False
    return all(wanted in (-1, size) for size, wanted in zip(shape, expected, strict=True))


def _must_be_small(tensor: Tensor) -> None:
    shape = tensor.array.shape
    if math.prod(size for size in shape if size) > _LARGEST_EMPTY:
        raise InvalidRequest(
            f"input {tensor.name!r}: shape {list(shape)} has no elements; expected its other "
            f"dimensions to come to {_LARGEST_EMPTY} at most"
        )


def _must_agree(dimension: SharedDimension, tensors: Mapping[str, np.ndarray]) -> None:
    sizes = {name: tensors[name].shape[axis] for name, axis in dimension.places}
    if len(set(sizes.values())) > 1:
        found = ", ".join(f"{size} in {name!r}" for name, size in sizes.items())
        raise InvalidRequest(f"dimension {dimension.name!r} differs between inputs: {found}")


def difference(old: Signature, new: Signature) -> str | None:
    """Say in which tensor two signatures differ, as "the new one, not the old one"; None: in none.

    Names of dimensions do not count, but which of them a model's inputs have in common.
    """
    for kind, ours, theirs in (
        ("input", old.inputs, new.inputs),
        ("output", old.outputs, new.outputs),
    ):
        for name in (*ours, *theirs):
            before, after = _described(ours.get(name)), _described(theirs.get(name))
            if before != after:
                return f"{kind} {name!r} is {after}, and {before}"
    if {one.places for one in old.shared} != {one.places for one in new.shared}:
        return "other dimensions of the inputs have to be equal than"
    return None


def _described(tensor: TensorMetadata | None) -> str:
    return "missing" if tensor is None else f"{tensor.datatype} {list(tensor.shape)}"


def batched(signature: Signature, batching: Batching) -> Signature:
    """Return the signature of a model whose rows are computed each by itself.

    Its inputs agree on the number of rows, those that are padded on their length too.

    Raises:
        LoadError: the model cannot be batched so.
    """
    for kind, tensors in (("input", signature.inputs), ("output", signature.outputs)):
        for tensor in tensors.values():
            if tensor.shape[:1] != (-1,):
                raise LoadError(
                    f"batching: {kind} {tensor.name!r} has shape {list(tensor.shape)}; "
                    "expected -1 as its first dimension"
                )
    shared = [SharedDimension("rows", tuple((name, 0) for name in signature.inputs))]
    if batching.padding is not None:
        _check_padding(signature, batching.padding)
        places = tuple((name, batching.padding.axis) for name in batching.padding.values)
        shared.append(SharedDimension("length", places))
    return replace(signature, shared=(*signature.shared, *_shared(shared)))


def _shared(dimensions: Iterable[SharedDimension]) -> Iterable[SharedDimension]:
    return (dimension for dimension in dimensions if len(dimension.places) > 1)


def _check_padding(signature: Signature, padding: Padding) -> None:
    for name, value in padding.values.items():
        tensor = _variable(signature.inputs, name, padding.axis, "values")
        datatype = DATATYPES[tensor.datatype]
        if tensor.datatype in ("BYTES", "BF16") or not _is_value(value, datatype.dtype):
            raise LoadError(
                f"batching.padding.values: {value} for {name!r}; expected a value of "
                f"{tensor.datatype}, which must be a number that numpy knows"
            )
    for name in padding.outputs:
        _variable(signature.outputs, name, padding.axis, "outputs")


def _variable(
    tensors: Mapping[str, TensorMetadata], name: str, axis: int, key: str
) -> TensorMetadata:
    if name not in tensors:
        known = ", ".join(map(repr, tensors))
        raise LoadError(f"batching.padding.{key}: unknown {name!r}; expected one of {known}")
    shape = tensors[name].shape
    if shape[axis : axis + 1] != (-1,):
        raise LoadError(
            f"batching.padding.{key}: {name!r} has shape {list(shape)}; "
            f"expected -1 as the dimension of axis {axis}"
        )
    return tensors[name]


def _is_value(value: float, dtype: np.dtype) -> bool:
    with np.errstate(all="ignore"):  # what is out of range shows in the result
        cast = np.array(value).astype(dtype)
    if dtype.kind == "f":
        return bool(np.isfinite(cast)) or not np.isfinite(value)
    return bool(cast == value)
