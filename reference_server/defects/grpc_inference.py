"""Misbehaviours of ModelInfer: what is read of its tensors, and what is written of them."""

from collections.abc import Iterable, Sequence
from math import prod

import numpy as np
from google.protobuf.message import Message
from grpc import StatusCode

from servespec.wire.datatypes import DATATYPES
from servespec.wire.proto import InferTensorContents, ModelInferRequest, ModelInferResponse

from .grpc_messages import answer_defect, question_defect
from .registry import Behaviour, Context, grpc_defect

_Input = ModelInferRequest.InferInputTensor
_HUGE = 1 << 40


@answer_defect("grpc-id-lost", breaks=["OIP-GRPC-INF-001"])
def _(_request: ModelInferRequest, response: ModelInferResponse) -> None:
    """Forgets the id."""
    response.id = ""


@question_defect("grpc-raw-in-the-order-of-names", breaks=["OIP-GRPC-INF-002"])
def _(request: ModelInferRequest) -> None:
    """Binds raw entries to the inputs by their place in the model, not in the request."""
    names = [tensor.name for tensor in request.inputs]
    if len(request.raw_input_contents) == len(names):
        entries = list(request.raw_input_contents)
        places = [sorted(names).index(name) for name in names]
        request.raw_input_contents[:] = [entries[place] for place in places]


@question_defect("grpc-mixed-forms-accepted", breaks=["OIP-GRPC-INF-003"])
def _(request: ModelInferRequest) -> None:
    """Drops typed contents where there are raw ones."""
    if request.raw_input_contents:
        for tensor in request.inputs:
            tensor.ClearField("contents")


@question_defect("grpc-raw-entries-not-counted", breaks=["OIP-GRPC-INF-004"])
def _(request: ModelInferRequest) -> None:
    """Drops raw entries that are too many, and repeats the last one where some are missing."""
    entries = list(request.raw_input_contents)
    typed = any(_fields(tensor) for tensor in request.inputs)
    if entries and not typed:
        missing = len(request.inputs) - len(entries)
        request.raw_input_contents[:] = (entries + entries[-1:] * missing)[: len(request.inputs)]


@question_defect("grpc-raw-size-not-checked", breaks=["OIP-GRPC-INF-005"])
def _(request: ModelInferRequest) -> None:
    """Cuts raw FP32 values, or adds zeros, until they fit the shape."""
    for index, (tensor, entry) in enumerate(_raw(request)):
        if tensor.datatype == "FP32" and _is_sane(tensor.shape):
            size = 4 * prod(tensor.shape)
            request.raw_input_contents[index] = entry[:size].ljust(size, b"\0")


@question_defect("grpc-raw-column-major", breaks=["OIP-GRPC-INF-006"])
def _(request: ModelInferRequest) -> None:
    """Reads the raw values of row_sum column by column."""
    if request.model_name == "row_sum" and request.raw_input_contents:
        table = np.frombuffer(request.raw_input_contents[0], "<f4")
        turned = table.reshape(request.inputs[0].shape, order="F")
        request.raw_input_contents[0] = turned.tobytes(order="C")


@question_defect("grpc-raw-big-endian", breaks=["OIP-GRPC-INF-007"])
def _(request: ModelInferRequest) -> None:
    """Reads a raw row of row_sum with the high byte first."""
    if request.model_name == "row_sum" and request.inputs[0].shape[0] == 1:
        row = np.frombuffer(request.raw_input_contents[0], ">f4")
        request.raw_input_contents[0] = row.astype("<f4").tobytes()


@question_defect("grpc-half-floats-in-contents", breaks=["OIP-GRPC-INF-008"])
def _(request: ModelInferRequest) -> None:
    """Takes the bytes of half floats from the typed contents of BYTES."""
    for tensor in request.inputs:
        if tensor.datatype in ("FP16", "BF16") and _fields(tensor) == ["bytes_contents"]:
            request.raw_input_contents.append(tensor.contents.bytes_contents[0])
            tensor.ClearField("contents")


@question_defect("grpc-typed-column-major", breaks=["OIP-GRPC-INF-009/right-field"])
def _(request: ModelInferRequest) -> None:
    """Reads four typed values column by column."""
    for tensor in request.inputs:
        for field in _fields(tensor):
            values = getattr(tensor.contents, field)
            if list(tensor.shape) == [2, 2] and len(values) == 4:
                values[1], values[2] = values[2], values[1]


@question_defect("grpc-other-field-ignored", breaks=["OIP-GRPC-INF-009/other-field"])
def _(request: ModelInferRequest) -> None:
    """Takes a value in another datatype's field for none, and none for zero."""
    for tensor in request.inputs:
        expected = DATATYPES[tensor.datatype].contents if tensor.datatype in DATATYPES else None
        if expected and _fields(tensor) and _fields(tensor) != [expected]:
            zero = b"" if tensor.datatype == "BYTES" else 0
            tensor.contents.CopyFrom(_contents(expected, [zero]))


@question_defect("grpc-typed-elements-not-counted", breaks=["OIP-GRPC-INF-010"])
def _(request: ModelInferRequest) -> None:
    """Cuts typed FP32 values, or adds zeros, until they fit the shape."""
    for tensor in request.inputs:
        fitting = tensor.datatype == "FP32" and _is_sane(tensor.shape)
        if fitting and not request.raw_input_contents and set(_fields(tensor)) <= {"fp32_contents"}:
            size = prod(tensor.shape)
            values = [*tensor.contents.fp32_contents[:size]]
            tensor.contents.fp32_contents[:] = values + [0.0] * (size - len(values))


@question_defect("grpc-small-integers-wrap", breaks=["OIP-GRPC-INF-012"])
def _(request: ModelInferRequest) -> None:
    """Keeps the low bits of an integer that is too large."""
    for tensor in request.inputs:
        if tensor.datatype in ("INT8", "INT16"):
            values = np.array(tensor.contents.int_contents, "i8")
            wrapped = values.astype(DATATYPES[tensor.datatype].dtype)
            tensor.contents.int_contents[:] = wrapped.tolist()


@answer_defect("grpc-outputs-in-two-forms", breaks=["OIP-GRPC-INF-013"])
def _(_request: ModelInferRequest, response: ModelInferResponse) -> None:
    """Of two outputs, writes one in both forms, or in none."""
    if len(response.outputs) == 2:
        raw = bool(response.raw_output_contents)
        form = _contents("fp32_contents", [0.0]) if raw else InferTensorContents()
        response.outputs[0].contents.CopyFrom(form)


@answer_defect("grpc-output-without-values", breaks=["OIP-GRPC-INF-014"])
def _(request: ModelInferRequest, response: ModelInferResponse) -> None:
    """Leaves the values of a vector out."""
    if request.model_name == "identity_fp32_rank1":
        response.outputs[0].ClearField("contents")


@answer_defect("grpc-raw-bytes-big-endian", breaks=["OIP-GRPC-INF-015/read"])
def _(request: ModelInferRequest, response: ModelInferResponse) -> None:
    """In a column of texts, writes the length after an empty one with the high byte first."""
    column = request.model_name == "identity_bytes" and response.outputs[0].shape[1] == 1
    for index, entry in enumerate(response.raw_output_contents):
        if column and entry[:4] == bytes(4) and len(entry) > 4:
            response.raw_output_contents[index] = entry[:4] + entry[7:3:-1] + entry[8:]


@question_defect("grpc-raw-bytes-not-checked", breaks=["OIP-GRPC-INF-015/broken"])
def _(request: ModelInferRequest) -> None:
    """Takes a single element of any length."""
    for index, (tensor, entry) in enumerate(_raw(request)):
        if tensor.datatype == "BYTES" and list(tensor.shape) == [1, 1]:
            element = entry[4:]
            size = len(element).to_bytes(4, "little")
            request.raw_input_contents[index] = size + element


@question_defect("grpc-output-selection-ignored", breaks=["OIP-GRPC-INF-016"])
def _(request: ModelInferRequest) -> None:
    """Answers with all outputs."""
    request.ClearField("outputs")


@grpc_defect("grpc-parameter-kinds-of-old", breaks=["OIP-GRPC-INF-017"])
async def _(_method: str, request: Message, context: Context, answer: Behaviour) -> Message:
    """Knows the three kinds of parameters that older copies of the protocol have."""
    if isinstance(request, ModelInferRequest):
        for parameter in request.parameters.values():
            if parameter.WhichOneof("parameter_choice") in ("double_param", "uint64_param"):
                return await context.abort(StatusCode.INVALID_ARGUMENT, "unknown parameter kind")
    return await answer(request, context)


@answer_defect("grpc-negative-zero-lost", breaks=["OIP-GRPC-INF-018/identity"])
def _(request: ModelInferRequest, response: ModelInferResponse) -> None:
    """Writes -0.0 as 0.0."""
    if request.model_name == "identity_fp64" and response.raw_output_contents:
        values = np.frombuffer(response.raw_output_contents[0], "<f8")
        response.raw_output_contents[0] = (values + 0.0).tobytes()


@answer_defect("grpc-sum-less-exact", breaks=["OIP-GRPC-INF-018/computed"])
def _(request: ModelInferRequest, response: ModelInferResponse) -> None:
    """Rounds the last bits of wide sums away."""
    if request.model_name == "add_sub" and request.inputs[0].shape[1] > 2:
        bits = np.frombuffer(response.raw_output_contents[0], "<u4")
        response.raw_output_contents[0] = (bits & 0xFFFFFFF0).tobytes()


@question_defect("grpc-extreme-shape-accepted", breaks=["OIP-GRPC-INF-020"])
def _(request: ModelInferRequest) -> None:
    """Takes a shape that cannot be for a single element."""
    for index, tensor in enumerate(request.inputs):
        if not _is_sane(tensor.shape):
            tensor.shape[:] = [1] * len(tensor.shape)
            if request.raw_input_contents:
                request.raw_input_contents[index] = bytes(4)
            else:
                tensor.contents.fp32_contents[:] = [0.0]


def _raw(request: ModelInferRequest) -> Iterable[tuple[_Input, bytes]]:
    """The inputs that have a raw entry, with it."""
    return zip(request.inputs, request.raw_input_contents, strict=False)


def _is_sane(shape: Sequence[int]) -> bool:
    return min(shape, default=0) >= 0 and prod(shape) < _HUGE


def _fields(tensor: _Input) -> list[str]:
    return [field.name for field, _ in tensor.contents.ListFields()]


def _contents(field: str, values: Sequence[object]) -> InferTensorContents:
    message = InferTensorContents()
    getattr(message, field).extend(values)
    return message
