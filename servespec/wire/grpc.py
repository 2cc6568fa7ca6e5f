"""The gRPC plane: messages of `proto` to `messages` and back, typed and raw contents both."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .datatypes import Datatype
from .messages import (
    InferRequest,
    InferResponse,
    ModelMetadata,
    Parameters,
    RequestedOutput,
    ServerMetadata,
    Tensor,
    TensorMetadata,
    WireError,
)
from .proto import (
    InferParameter,
    InferTensorContents,
    ModelInferRequest,
    ModelInferResponse,
    ModelMetadataResponse,
    ServerMetadataResponse,
)
from .tensors import (
    PIECE,
    brief,
    checked_array,
    datatype_named,
    decode_raw,
    element_count,
    encode_raw,
    object_array,
    refuse_twins,
    shaped,
)

__all__ = [
    "decode_request",
    "decode_response",
    "encode_model_metadata",
    "encode_request",
    "encode_response",
    "encode_server_metadata",
]

_WireTensor = ModelInferRequest.InferInputTensor | ModelInferResponse.InferOutputTensor


def decode_request(message: ModelInferRequest) -> InferRequest:
    """The inference that a message asks for.

    Raises:
        WireError: the message contradicts itself or the protocol.
    """
    outputs = tuple(
        [RequestedOutput(each.name, None, _parameters(each.parameters)) for each in message.outputs]
    )
    refuse_twins("output", [output.name for output in outputs])
    return InferRequest(
        model_name=message.model_name,
        model_version=message.model_version,
        id=message.id,
        inputs=_tensors("input", message.inputs, message.raw_input_contents),
        outputs=outputs,
        parameters=_parameters(message.parameters),
    )


def decode_response(message: ModelInferResponse) -> InferResponse:
    """The answer that a message holds.

    Raises:
        WireError: the message contradicts itself or the protocol.
    """
    return InferResponse(
        model_name=message.model_name,
        model_version=message.model_version,
        id=message.id,
        outputs=_tensors("output", message.outputs, message.raw_output_contents),
        parameters=_parameters(message.parameters),
    )


def _tensors(
    what: str, entries: Sequence[_WireTensor], blocks: Sequence[bytes]
) -> tuple[Tensor, ...]:
    """All tensors of a message; `blocks` are its raw contents, empty where it has none."""
    if blocks and len(blocks) != len(entries):
        raise WireError(
            f"found {len(blocks)} raw_{what}_contents for {len(entries)} {what}s, "
            "expected one for each, or none"
        )
    refuse_twins(what, [entry.name for entry in entries])
    return tuple(
        [
            _tensor(what, entry, blocks[index] if blocks else None)
            for index, entry in enumerate(entries)
        ]
    )


def _tensor(what: str, entry: _WireTensor, block: bytes | None) -> Tensor:
    try:
        datatype = datatype_named(entry.datatype)
        fields = [field.name for field, _ in entry.contents.ListFields()]
        if block is None:
            array = _decode_contents(datatype, entry.shape, entry.contents, fields)
        elif fields:
            raise WireError(f"found {fields[0]} beside raw_{what}_contents, expected one of them")
        else:
            array = decode_raw(datatype, entry.shape, block)
        return Tensor(entry.name, entry.datatype, array, _parameters(entry.parameters))
    except WireError as error:
        raise WireError(f"{what} {brief(entry.name)}: {error}") from None


def _decode_contents(
    datatype: Datatype, shape: Sequence[int], contents: InferTensorContents, fields: list[str]
) -> np.ndarray:
    """The array of typed contents, whose `fields` are the ones that are not empty."""
    if datatype.contents is None:
        raise WireError(f"{datatype.name} has no typed contents, expected raw contents")
    if set(fields) - {datatype.contents}:
        raise WireError(
            f"found {' and '.join(fields)}, expected {datatype.contents} for {datatype.name}"
        )
    element_count(shape)
    elements = getattr(contents, datatype.contents)
    starts = range(0, len(elements), PIECE) or (0,)
    pieces = [_array(datatype, elements[start : start + PIECE]) for start in starts]
    return shaped(pieces[0] if len(pieces) == 1 else np.concatenate(pieces), shape)


def _array(datatype: Datatype, elements: Sequence[Any]) -> np.ndarray:
    if datatype.size is None:
        return object_array(elements)
    try:
        return np.array(elements, dtype=datatype.dtype)
    except OverflowError as error:
        raise WireError(f"contents are out of the range of {datatype.name}: {error}") from None


def _parameters(wire: Mapping[str, InferParameter]) -> Parameters:
    return {name: _value(name, parameter) for name, parameter in wire.items()} if wire else {}


def _value(name: str, parameter: InferParameter) -> bool | int | float | str:
    kinds = [value for _, value in parameter.ListFields()]
    if not kinds:
        raise WireError(f"parameter {brief(name)} has no value")
    value: bool | int | float | str = kinds[0]
    return value


def encode_request(request: InferRequest, *, raw: bool) -> ModelInferRequest:
    """The message for a request, with raw or with typed contents.

    Raises:
        WireError: an input or a parameter cannot be written so.
    """
    blocks: list[bytes] | None = [] if raw else None
    return ModelInferRequest(
        model_name=request.model_name,
        model_version=request.model_version,
        id=request.id,
        parameters=_wire_parameters(request.parameters),
        inputs=[
            ModelInferRequest.InferInputTensor(**_entry("input", each, blocks))
            for each in request.inputs
        ],
        outputs=[
            ModelInferRequest.InferRequestedOutputTensor(
                name=each.name, parameters=_wire_parameters(each.parameters)
            )
            for each in request.outputs
        ],
        raw_input_contents=blocks or (),
    )


def encode_response(response: InferResponse, raw: bool) -> ModelInferResponse:
    """The message for an answer, with raw or with typed contents.

    Raises:
        WireError: an output or a parameter cannot be written so.
    """
    blocks: list[bytes] | None = [] if raw else None
    return ModelInferResponse(
        model_name=response.model_name,
        model_version=response.model_version,
        id=response.id,
        parameters=_wire_parameters(response.parameters),
        outputs=[
            ModelInferResponse.InferOutputTensor(**_entry("output", each, blocks))
            for each in response.outputs
        ],
        raw_output_contents=blocks or (),
    )


def _entry(what: str, tensor: Tensor, blocks: list[bytes] | None) -> dict[str, Any]:
    """The members of one tensor in a message. Raw contents go to `blocks` where there are such."""
    entry: dict[str, Any] = {
        "name": tensor.name,
        "datatype": tensor.datatype,
        "shape": tensor.array.shape,
        "parameters": _wire_parameters(tensor.parameters),
    }
    try:
        if blocks is None:
            entry["contents"] = _encode_contents(tensor)
        else:
            blocks.append(encode_raw(tensor))
    except WireError as error:
        raise WireError(f"{what} {brief(tensor.name)}: {error}") from None
    return entry


def _encode_contents(tensor: Tensor) -> InferTensorContents:
    array = checked_array(tensor)
    field = datatype_named(tensor.datatype).contents
    if field is None:
        raise WireError(f"{tensor.datatype} has no typed contents, expected raw contents")
    contents = InferTensorContents()
    elements, flat = getattr(contents, field), array.ravel()
    for start in range(0, flat.size, PIECE):
        elements.extend(flat[start : start + PIECE].tolist())
    return contents


def _wire_parameters(parameters: Parameters) -> dict[str, InferParameter]:
    return {name: _wire_parameter(name, value) for name, value in parameters.items()}


def _wire_parameter(name: str, value: bool | int | float | str) -> InferParameter:
    match value:
        case bool():
            return InferParameter(bool_param=value)
        case str():
            return InferParameter(string_param=value)
        case float():
            return InferParameter(double_param=value)
        case int() if -(2**63) <= value < 2**63:
            return InferParameter(int64_param=value)
        case int() if 0 <= value < 2**64:
            return InferParameter(uint64_param=value)
        case _:
            raise WireError(f"parameter {brief(name)} is {brief(value)}, expected 64 bits at most")


def encode_server_metadata(metadata: ServerMetadata) -> ServerMetadataResponse:
    """The answer to `ServerMetadata`."""
    return ServerMetadataResponse(
        name=metadata.name, version=metadata.version, extensions=metadata.extensions
    )


def encode_model_metadata(metadata: ModelMetadata) -> ModelMetadataResponse:
    """The answer to `ModelMetadata`."""
    return ModelMetadataResponse(
        name=metadata.name,
        versions=metadata.versions,
        platform=metadata.platform,
        inputs=[_wire_metadata(tensor) for tensor in metadata.inputs],
        outputs=[_wire_metadata(tensor) for tensor in metadata.outputs],
    )


def _wire_metadata(tensor: TensorMetadata) -> ModelMetadataResponse.TensorMetadata:
    return ModelMetadataResponse.TensorMetadata(
        name=tensor.name, datatype=tensor.datatype, shape=tensor.shape
    )
