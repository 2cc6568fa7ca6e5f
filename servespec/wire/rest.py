"""The REST plane: JSON bodies, and JSON followed by raw tensors (the binary tensor data extension).

Rules beyond the protocol's text: of duplicate members the last wins; unknown members are ignored;
an optional member that is null counts as left out; a byte order mark is refused; non-finite numbers
are the strings "NaN", "Infinity" and "-Infinity".
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any, TypeVar

import msgspec

from .elements import decode_elements, encode_elements
from .messages import (
    InferRequest,
    InferResponse,
    ModelMetadata,
    RequestedOutput,
    ServerMetadata,
    Tensor,
    WireError,
)
from .tensors import brief, datatype_named, decode_raw, encode_raw, refuse_twins

__all__ = [
    "decode_request",
    "decode_response",
    "encode_error",
    "encode_model_metadata",
    "encode_request",
    "encode_response",
    "encode_server_metadata",
]

ABSENT = msgspec.Raw()
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
ENTRY = re.compile(r"\$\.(input|output)s\[(\d+)\]")

Members = dict[str, bool | int | float | str] | None
Message = TypeVar("Message")


class _Entry(msgspec.Struct):
    name: str
    shape: tuple[Annotated[int, msgspec.Meta(ge=0)], ...]
    datatype: str
    data: msgspec.Raw = ABSENT
    parameters: Members = None


class _RequestedEntry(msgspec.Struct):
    name: str
    parameters: Members = None


class _Request(msgspec.Struct):
    inputs: list[_Entry]
    id: str | None = None
    outputs: list[_RequestedEntry] | None = None
    parameters: Members = None


class _SketchedEntry(msgspec.Struct):
    data: msgspec.Raw = ABSENT


class _Sketch(msgspec.Struct):
    """A request of which only the data are looked for: no object is made of what is around them."""

    inputs: list[_SketchedEntry]


class _Response(msgspec.Struct):
    model_name: str
    outputs: list[_Entry]
    model_version: str | None = None
    id: str | None = None
    parameters: Members = None


REQUEST = msgspec.json.Decoder(_Request)
RESPONSE = msgspec.json.Decoder(_Response)
SKETCH = msgspec.json.Decoder(_Sketch)
MOST_BESIDE = 2**20
"""Bytes of a request's JSON beside the data of its tensors."""


class _Blocks:
    """The raw tensors after the JSON, taken in order."""

    def __init__(self, data: memoryview) -> None:
        self._rest = data

    def take(self, size: object) -> memoryview:
        """The next block, of a size as found in the JSON."""
        if type(size) is not int or size < 0:
            raise WireError(f"binary_data_size is {brief(size)}, expected a count of bytes")
        if size > len(self._rest):
            raise WireError(
                f"binary_data_size is {brief(size)}, but {len(self._rest)} bytes are left"
            )
        block, self._rest = self._rest[:size], self._rest[size:]
        return block

    def finish(self) -> None:
        """Nothing may be left over."""
        if self._rest:
            raise WireError(f"found {len(self._rest)} bytes after the last binary tensor")


def decode_request(
    model_name: str, model_version: str, body: bytes, *, header_length: int | None
) -> InferRequest:
    """The inference that a body asks of the model that its path names.

    Args:
        model_name: from the path.
        model_version: from the path; empty where the server chooses.
        body: as received, any content coding removed.
        header_length: bytes of JSON before the raw tensors; None where all is JSON.

    Raises:
        WireError: the body is no inference request.
    """
    text, blocks = _split(body, header_length)
    if len(text) > MOST_BESIDE:
        _check_beside(text)
    message = _parse(REQUEST, text)
    inputs = tuple([_tensor("input", entry, blocks) for entry in message.inputs])
    blocks.finish()
    outputs = tuple([_requested(entry) for entry in message.outputs or ()])
    refuse_twins("input", [tensor.name for tensor in inputs])
    refuse_twins("output", [output.name for output in outputs])
    parameters = message.parameters or {}
    binary = _flag(parameters, "binary_data_output")
    return InferRequest(
        model_name=model_name,
        model_version=model_version,
        id=message.id or "",
        inputs=inputs,
        outputs=outputs,
        parameters=parameters,
        binary_output=bool(binary),
    )


def decode_response(body: bytes, *, header_length: int | None) -> InferResponse:
    """The answer that a body holds; see `decode_request`.

    Raises:
        WireError: the body is no inference response.
    """
    text, blocks = _split(body, header_length)
    message = _parse(RESPONSE, text)
    outputs = tuple([_tensor("output", entry, blocks) for entry in message.outputs])
    blocks.finish()
    refuse_twins("output", [tensor.name for tensor in outputs])
    return InferResponse(
        model_name=message.model_name,
        model_version=message.model_version or "",
        id=message.id or "",
        outputs=outputs,
        parameters=message.parameters or {},
    )


def _split(body: bytes, header_length: int | None) -> tuple[bytes, _Blocks]:
    if header_length is None:
        return body, _Blocks(memoryview(b""))
    if not 0 <= header_length <= len(body):
        raise WireError(
            f"header length {brief(header_length)}, expected 0 to {len(body)} (the whole body)"
        )
    return body[:header_length], _Blocks(memoryview(body)[header_length:])


def _check_beside(text: bytes) -> None:
    """Refuse what would become millions of objects, none of which is an element of a tensor."""
    data = sum(len(entry.data) for entry in _parse(SKETCH, text).inputs)
    if len(text) - data > MOST_BESIDE and len(text.rstrip()) - data > MOST_BESIDE:
        raise WireError(
            f"the JSON takes {len(text) - data} bytes beside data, expected {MOST_BESIDE} at most"
        )


def _parse(decoder: msgspec.json.Decoder[Message], text: bytes) -> Message:
    if text.startswith(BYTE_ORDER_MARK):
        raise WireError("the body starts with a byte order mark, expected JSON")
    try:
        if not text.isascii():
            text.decode()  # the parser skips what it ignores, without a look at its bytes
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        raise WireError(_explained(str(error), text)) from None
    except RecursionError:
        raise WireError("the body is nested too deep") from None
    except ValueError as error:
        raise WireError(f"the body is no JSON: {error}") from None


def _explained(problem: str, text: bytes) -> str:
    """The parser knows a tensor by its index only; an error text names it where it has a name."""
    if len(text) <= MOST_BESIDE and (entry := ENTRY.search(problem)):
        kind, index = entry.groups()
        with suppress(ValueError, LookupError, TypeError, RecursionError):
            name = msgspec.json.decode(text)[f"{kind}s"][int(index)]["name"]
            return f"{kind} {brief(name)}: {problem}"
    return problem


def _tensor(what: str, entry: _Entry, blocks: _Blocks) -> Tensor:
    try:
        datatype = datatype_named(entry.datatype)
        parameters = entry.parameters or {}
        size = parameters.pop("binary_data_size", None)
        if (size is None) == (entry.data is ABSENT):
            found = "neither" if size is None else "both"
            raise WireError(f"found {found} of data and binary_data_size, expected one")
        if size is None:
            array = decode_elements(datatype, entry.shape, entry.data)
        else:
            array = decode_raw(datatype, entry.shape, blocks.take(size))
    except WireError as error:
        raise WireError(f"{what} {brief(entry.name)}: {error}") from None
    return Tensor(entry.name, entry.datatype, array, parameters)


def _requested(entry: _RequestedEntry) -> RequestedOutput:
    parameters = entry.parameters or {}
    try:
        binary = _flag(parameters, "binary_data")
    except WireError as error:
        raise WireError(f"output {brief(entry.name)}: {error}") from None
    return RequestedOutput(entry.name, binary, parameters)


def _flag(parameters: dict[str, bool | int | float | str], name: str) -> bool | None:
    """Takes a yes or no of the binary extension out of the parameters."""
    flag = parameters.pop(name, None)
    if flag is None or isinstance(flag, bool):
        return flag
    raise WireError(f"{name} is {brief(flag)}, expected true or false")


def encode_request(request: InferRequest, *, binary: bool) -> tuple[bytes, int | None]:
    """The body for a request and its header length, which is None where all is JSON.

    Args:
        request: model and version travel in the path, not in the body.
        binary: send every input as raw bytes after the JSON.

    Raises:
        WireError: an input cannot be written so.
    """
    blocks: list[bytes] = []
    document: dict[str, Any] = {"id": request.id} if request.id else {}
    parameters = dict(request.parameters)
    if request.binary_output:
        parameters["binary_data_output"] = True
    if parameters:
        document["parameters"] = parameters
    document["inputs"] = [_entry("input", each, binary, blocks) for each in request.inputs]
    if request.outputs:
        document["outputs"] = [_requested_entry(output) for output in request.outputs]
    return _body(document, blocks)


def encode_response(response: InferResponse, binary: frozenset[str]) -> tuple[bytes, int | None]:
    """The body for an answer and its header length, which is None where all is JSON.

    Args:
        response: what to say.
        binary: the names of the outputs to send as raw bytes after the JSON.

    Raises:
        WireError: an output cannot be written so; it says which and what to ask for instead.
    """
    blocks: list[bytes] = []
    document: dict[str, Any] = {"model_name": response.model_name}
    if response.model_version:
        document["model_version"] = response.model_version
    if response.id:
        document["id"] = response.id
    if response.parameters:
        document["parameters"] = response.parameters
    document["outputs"] = [
        _entry("output", each, each.name in binary, blocks) for each in response.outputs
    ]
    return _body(document, blocks)


def _entry(what: str, tensor: Tensor, binary: bool, blocks: list[bytes]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": tensor.name,
        "shape": tensor.array.shape,
        "datatype": tensor.datatype,
    }
    if tensor.parameters:
        entry["parameters"] = tensor.parameters
    try:
        if binary:
            blocks.append(encode_raw(tensor))
            entry["parameters"] = {**tensor.parameters, "binary_data_size": len(blocks[-1])}
        else:
            entry["data"] = encode_elements(tensor)
    except WireError as error:
        raise WireError(f"{what} {brief(tensor.name)}: {error}") from None
    return entry


def _requested_entry(output: RequestedOutput) -> dict[str, Any]:
    parameters = dict(output.parameters)
    if output.binary is not None:
        parameters["binary_data"] = output.binary
    return {"name": output.name, "parameters": parameters} if parameters else {"name": output.name}


def _body(document: Mapping[str, Any], blocks: Sequence[bytes]) -> tuple[bytes, int | None]:
    text = msgspec.json.encode(document)
    return (b"".join([text, *blocks]), len(text)) if blocks else (text, None)


def encode_server_metadata(metadata: ServerMetadata) -> bytes:
    """The JSON that answers `GET /v2`."""
    return msgspec.json.encode(metadata)


def encode_model_metadata(metadata: ModelMetadata) -> bytes:
    """The JSON that answers `GET /v2/models/NAME`."""
    return msgspec.json.encode(metadata)


def encode_error(text: str) -> bytes:
    """The protocol's error object. What is not Unicode in the text becomes `?`."""
    return msgspec.json.encode({"error": text.encode(errors="replace").decode()})
