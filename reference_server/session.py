"""A model file in onnxruntime: its signature, and running it."""

import contextlib
import ctypes
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from threading import get_ident
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import onnxruntime

from servespec.wire.messages import TensorMetadata

from .errors import Interrupted, InvalidRequest, LoadError, MemoryExceeded, StartupError
from .pipeline import Run, Tensors
from .signature import SharedDimension, Signature, Work

__all__ = ["Session", "open_session"]

_DATATYPES: Mapping[str, str] = MappingProxyType(
    {
        "tensor(bool)": "BOOL",
        "tensor(uint8)": "UINT8",
        "tensor(uint16)": "UINT16",
        "tensor(uint32)": "UINT32",
        "tensor(uint64)": "UINT64",
        "tensor(int8)": "INT8",
        "tensor(int16)": "INT16",
        "tensor(int32)": "INT32",
        "tensor(int64)": "INT64",
        "tensor(float16)": "FP16",
        "tensor(bfloat16)": "BF16",
        "tensor(float)": "FP32",
        "tensor(double)": "FP64",
        "tensor(string)": "BYTES",
    }
)
_OUT_OF_MEMORY = re.compile(
    r"Available memory of \d+ is smaller than requested|Failed to allocate memory for requested"
)
_BFLOAT16 = 16  # TensorProto.DataType
_PROVIDER_OPTIONS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {"CUDAExecutionProvider": {"use_tf32": "0"}}  # its default: FP32 products of 10 bits
)


@dataclass(frozen=True, slots=True)
class Session:
    """A loaded model.

    Attributes:
        signature: what it takes and gives.
        providers: those that the session really has, the preferred one first.
        run: computes; may be called from several threads at once.
        begin: begins what the calling thread runs from now on, and returns what ends just that:
            `run` then raises at its next operator.
        terminate: ends every `run`, now and from now on.
    """

    signature: Signature
    providers: tuple[str, ...]
    run: Run
    begin: Callable[[], Callable[[], None]]
    terminate: Callable[[], None]


_Running: TypeAlias = Callable[[Work, onnxruntime.RunOptions], Tensors]


class _Runs:
    """What runs in a session, so that it can be ended: all of it, or what one thread is at."""

    def __init__(self, run: _Running, *, memory_bound: bool) -> None:
        self._run = run
        self._memory_bound = memory_bound
        self._options: dict[int, onnxruntime.RunOptions] = {}
        self._terminated = False

    def begin(self) -> Callable[[], None]:
        """Give the calling thread options of its own: who ends a run late ends no later one."""
        options = onnxruntime.RunOptions()
        if self._memory_bound:  # or what a large run took is kept from all other models
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self._options[get_ident()] = options
        if self._terminated:  # looked at last: who terminates sees these options, or is seen
            options.terminate = True
        return partial(setattr, options, "terminate", True)

    def run(self, work: Work) -> Tensors:
        """Compute, with the options of the calling thread."""
        options = self._options.get(get_ident())
        if options is None:
            self.begin()
            return self.run(work)
        try:
            return self._run(work, options)
        except Exception as error:
            if options.terminate:
                raise Interrupted("the inference was ended before its time") from error
            if _OUT_OF_MEMORY.search(str(error)):
                raise MemoryExceeded("the inference takes more memory than there is") from error
            raise

    def terminate(self) -> None:
        """End what runs, and all that is yet to come."""
        self._terminated = True
        for options in tuple(self._options.values()):
            options.terminate = True


def open_session(
    path: Path, providers: Iterable[str], intra_op_threads: int, *, memory_bytes: int | None = None
) -> Session:
    """Load a model file.

    onnxruntime falls back without a word from a provider that it lists as available and cannot
    load, so see `Session.providers` for what it came to.

    Args:
        path: of the model file.
        providers: to ask for, the preferred one first.
        intra_op_threads: of one inference.
        memory_bytes: what `runtime.bound_memory` leaves to all models, if that was called.

    Raises:
        LoadError: the file is no model, or its tensors cannot travel over the protocol.
        StartupError: what onnxruntime packs of the models' weights takes more than `memory_bytes`.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = intra_op_threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if memory_bytes is not None:
        options.add_session_config_entry("session.use_env_allocators", "1")
    options.log_severity_level = 4  # what a model raises is told to its caller and logged by us
    wanted = [(name, _PROVIDER_OPTIONS.get(name, {})) for name in providers]
    try:
        with contextlib.redirect_stdout(sys.stderr):  # it prints when a provider fails
            session = onnxruntime.InferenceSession(path, options, wanted)
    except Exception as error:  # onnxruntime raises a dozen unrelated types
        raise LoadError(" ".join(str(error).split())) from error
    if memory_bytes is not None and not _is_bounded(session, memory_bytes):
        raise StartupError(f"--memory-bytes {memory_bytes}: packed weights take more: {path}")
    session.disable_fallback()  # a provider that fails in a run would be left for good
    signature = _signature(session)
    runs = _Runs(_runner(session, signature), memory_bound=memory_bytes is not None)
    providers = tuple(session.get_providers())
    return Session(signature, providers, runs.run, runs.begin, runs.terminate)


def _is_bounded(session: Any, size: int) -> bool:
    """Whether more than the bound is refused: packed weights are not, and beyond it undo it."""
    try:
        session.create_ortvalue_from_shape_and_type([size + 1], np.uint8, "cpu")
    except Exception:  # onnxruntime raises a dozen unrelated types
        return True
    return False


def _signature(session: Any) -> Signature:
    inputs = session.get_inputs()
    return Signature(
        {node.name: _metadata(node) for node in inputs},
        {node.name: _metadata(node) for node in session.get_outputs()},
        tuple(_shared_dimensions(inputs)),
    )


def _metadata(node: Any) -> TensorMetadata:
    datatype = _DATATYPES.get(node.type)
    if datatype is None:
        raise LoadError(f"{node.name!r} is a {node.type}, which the protocol cannot carry")
    shape = tuple(size if isinstance(size, int) else -1 for size in node.shape)
    return TensorMetadata(node.name, datatype, shape)


def _shared_dimensions(inputs: Iterable[Any]) -> Iterable[SharedDimension]:
    places: dict[str, list[tuple[str, int]]] = {}
    for node in inputs:
        for axis, size in enumerate(node.shape):
            if isinstance(size, str):
                places.setdefault(size, []).append((node.name, axis))
    return (SharedDimension(name, tuple(at)) for name, at in places.items() if len(at) > 1)


def _runner(session: Any, signature: Signature) -> _Running:
    """Pick the cheapest way to run: numpy has no bfloat16, and onnxruntime strings are no bytes."""
    tensors = (*signature.inputs.values(), *signature.outputs.values())
    datatypes = {tensor.datatype for tensor in tensors}
    if "BF16" in datatypes:
        return partial(_run_values, session, signature)
    if "BYTES" in datatypes:
        return partial(_run_strings, session, signature)
    return lambda work, options: session.run(work.outputs, work.tensors, options)


def _run_strings(session: Any, signature: Signature, work: Work, options: Any) -> Tensors:
    tensors = {
        name: _to_strings(name, array) if signature.inputs[name].datatype == "BYTES" else array
        for name, array in work.tensors.items()
    }
    results = session.run(work.outputs, tensors, options)
    return [
        _map_elements(str.encode, array) if signature.outputs[name].datatype == "BYTES" else array
        for name, array in zip(work.outputs, results, strict=True)
    ]


def _to_strings(name: str, array: np.ndarray) -> np.ndarray:
    try:
        return _map_elements(bytes.decode, array)
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"input {name!r}: an element is not UTF-8, which this model's strings have to be"
        ) from error


def _map_elements(function: Callable[[Any], Any], array: np.ndarray) -> np.ndarray:
    mapped = np.empty(array.size, dtype=object)
    mapped[:] = [function(element) for element in array.ravel()]
    return mapped.reshape(array.shape)


def _run_values(session: Any, signature: Signature, work: Work, options: Any) -> Tensors:
    values = {
        name: _to_value(array, signature.inputs[name].datatype)
        for name, array in work.tensors.items()
    }
    results = session.run_with_ort_values(work.outputs, values, options)
    return [_to_array(value) for value in results]


def _to_value(array: np.ndarray, datatype: str) -> Any:
    if datatype == "BF16":
        return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(array, _BFLOAT16)
    return onnxruntime.OrtValue.ortvalue_from_numpy(array)


def _to_array(value: Any) -> np.ndarray:
    if value.data_type() != "tensor(bfloat16)":
        return np.asarray(value.numpy())
    shape = value.shape()
    bits = (ctypes.c_uint16 * prod(shape)).from_address(value.data_ptr())
    return np.array(bits, dtype=np.uint16).reshape(shape)  # a copy: the memory is onnxruntime's
