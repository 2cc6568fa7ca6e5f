"""Misbehaviours with binary tensor data in requests: what follows the JSON is misread."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..http import Handler, HttpProtocol, HttpRequest, HttpResponse, error_response
from ..http.reader import Refusal
from .json_bodies import JsonObject, inputs_of, json_object, with_json
from .registry import http_defect, rest_defect

__all__ = ["LENGTH", "BinaryBody", "json_part", "without_binary"]

LENGTH = "inference-header-content-length"


@dataclass(frozen=True, slots=True)
class BinaryBody:
    """A body of JSON and what follows it."""

    document: JsonObject
    blocks: bytes

    @property
    def entries(self) -> list[JsonObject]:
        """The inputs or outputs whose data follow, in their order."""
        tensors = self.document.get("outputs") if "model_name" in self.document else None
        listed = inputs_of(self.document) if tensors is None else tensors
        return [each for each in listed if "binary_data_size" in each.get("parameters", {})]


def json_part(body: bytes, length: str | None) -> BinaryBody | None:
    """The body cut at its header length; None where that is none."""
    if length is None or not length.isdecimal() or not 0 < int(length) <= len(body):
        return None
    try:
        document = json.loads(body[: int(length)])
    except ValueError:
        return None
    return BinaryBody(document, body[int(length) :]) if isinstance(document, dict) else None


def without_binary(request: HttpRequest) -> HttpRequest:
    """The request without the fields that say that bytes follow its JSON."""
    headers = {key: value for key, value in request.headers.items() if key != LENGTH}
    return replace(request, headers={**headers, "content-type": "application/json"})


Misreading = Callable[[BinaryBody], BinaryBody]


def binary_question(name: str, *, breaks: Sequence[str]) -> Callable[[Misreading], Misreading]:
    """Register `body -> body`: what a binary inference is taken for. It may raise `Refusal`."""

    def register(misread: Misreading) -> Misreading:
        @rest_defect(name, breaks=breaks)
        async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
            body = json_part(request.body, request.headers.get(LENGTH))
            try:
                taken = body and misread(body)
            except Refusal as refusal:
                return refusal.response
            return await answer(request if taken in (None, body) else _with(request, taken))

        return misread

    return register


def _with(request: HttpRequest, body: BinaryBody | None) -> HttpRequest:
    assert body is not None
    head = json.dumps(body.document).encode()
    headers = {**request.headers, LENGTH: str(len(head))}
    return replace(request, headers=headers, body=head + body.blocks)


def _kinds(body: BinaryBody) -> list[tuple[str, list[int]]]:
    return [(each["datatype"], each["shape"]) for each in body.entries]


def _resized(body: BinaryBody, blocks: bytes) -> BinaryBody:
    """The body with other bytes for its one binary input."""
    sized = {"parameters": {"binary_data_size": len(blocks)}}
    inputs = [{**each, **sized} for each in inputs_of(body.document)]
    return BinaryBody({**body.document, "inputs": inputs}, blocks)


@binary_question("binary-uint16-refused", breaks=["EXT-BIN-001"])
def _(body: BinaryBody) -> BinaryBody:
    """Does not know the raw form of one datatype."""
    if any(datatype == "UINT16" for datatype, _ in _kinds(body)):
        raise Refusal(400, "UINT16 has no raw form")
    return body


@binary_question("binary-inputs-in-model-order", breaks=["EXT-BIN-003/request"])
def _(body: BinaryBody) -> BinaryBody:
    """Gives the first block to `a`, whichever input comes first."""
    if [each["name"] for each in body.entries] != ["b", "a"]:
        return body
    half = len(body.blocks) // 2
    return replace(body, blocks=body.blocks[half:] + body.blocks[:half])


@binary_question("binary-not-mixed", breaks=["EXT-BIN-004"])
def _(body: BinaryBody) -> BinaryBody:
    """Wants all inputs binary, or none."""
    if body.entries and any("data" in each and "parameters" not in each for each in _inputs(body)):
        raise Refusal(400, "binary and JSON inputs cannot be mixed")
    return body


def _inputs(body: BinaryBody) -> list[JsonObject]:
    return inputs_of(body.document)


@binary_question("binary-inputs-big-endian", breaks=["EXT-BIN-005/request"])
def _(body: BinaryBody) -> BinaryBody:
    """Reads a matrix of INT32 in network order."""
    if _kinds(body) != [("INT32", [2, 3])]:
        return body
    return replace(body, blocks=np.frombuffer(body.blocks, "<i4").byteswap().tobytes())


@binary_question("binary-bool-inverted", breaks=["EXT-BIN-006/request"])
def _(body: BinaryBody) -> BinaryBody:
    """Takes the byte 0 for true in a row of three."""
    if _kinds(body) != [("BOOL", [1, 3])]:
        return body
    return replace(body, blocks=bytes(1 - byte for byte in body.blocks))


@binary_question("binary-text-ends-at-nul", breaks=["EXT-BIN-007/request"])
def _(body: BinaryBody) -> BinaryBody:
    """Reads the text of three bytes behind two others up to its NUL."""
    cut = body.blocks.replace(b"\x03\0\0\0a\0b", b"\x01\0\0\0a")
    return body if cut == body.blocks else _resized(body, cut)


@binary_question("binary-bytes-as-text", breaks=["EXT-BIN-007/octets"])
def _(body: BinaryBody) -> BinaryBody:
    """Replaces what is no UTF-8 in an element."""
    if [datatype for datatype, _ in _kinds(body)] != ["BYTES"]:
        return body
    return replace(body, blocks=body.blocks.replace(b"\xff", b"?"))


@binary_question("binary-size-not-compared", breaks=["EXT-BIN-011"])
def _(body: BinaryBody) -> BinaryBody:
    """Cuts or fills the bytes of an FP32 input to what its shape needs."""
    if _kinds(body) != [("FP32", [2, 1])] or len(body.blocks) != _size(body):
        return body
    return body if len(body.blocks) == 8 else _resized(body, body.blocks[:8].ljust(8, b"\0"))


@binary_question("binary-leftover-ignored", breaks=["EXT-BIN-013"])
def _(body: BinaryBody) -> BinaryBody:
    """Does not look behind the last tensor."""
    return replace(body, blocks=body.blocks[: _size(body)])


@binary_question("binary-missing-zeros", breaks=["EXT-BIN-014"])
def _(body: BinaryBody) -> BinaryBody:
    """Fills what is missing with zeros."""
    return replace(body, blocks=body.blocks.ljust(_size(body), b"\0"))


def _size(body: BinaryBody) -> int:
    return sum(each["parameters"]["binary_data_size"] for each in body.entries)


@binary_question("binary-beside-data", breaks=["EXT-BIN-015"])
def _(body: BinaryBody) -> BinaryBody:
    """Takes the bytes where data are given as well."""
    if not any("data" in each for each in body.entries):
        return body
    inputs = [{k: v for k, v in each.items() if k != "data"} for each in _inputs(body)]
    return replace(body, document={**body.document, "inputs": inputs})


@rest_defect("binary-length-guessed", breaks=["EXT-BIN-012"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Takes a body for JSON where the header length is no part of it."""
    length = request.headers.get(LENGTH, "0")
    guessed = not length.isdecimal() or int(length) > len(request.body)
    return await answer(without_binary(request) if guessed else request)


@rest_defect("binary-raw-answered-in-json", breaks=["EXT-BIN-016"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Serves a raw request of FP32, and answers it in JSON."""
    if request.headers.get(LENGTH) != "0":
        return await answer(request)
    row = np.frombuffer(request.body, "<f4").tolist()
    x = {"name": "x", "datatype": "FP32", "shape": [1, len(row)], "data": row}
    return await answer(with_json(without_binary(request), {"inputs": [x]}))


@rest_defect("binary-unlisted-and-misread", breaks=["EXT-BIN-017", "OIP-REST-SMETA-003/listed"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Does not list the extension, and fails on the bytes of a row of two."""
    if request.target in ("/v2", "/v2/"):
        response = await answer(request)
        return with_json(response, {**json_object(response), "extensions": []})
    body = json_part(request.body, request.headers.get(LENGTH))
    if body is not None and _kinds(body) == [("FP32", [1, 2])]:
        return error_response(500, "the body is no JSON")
    return await answer(request)


@http_defect("binary-length-of-coded-body", breaks=["EXT-BIN-018"])
class LengthOfCodedBody(HttpProtocol):
    """Looks for the JSON in a compressed binary body before it is decoded."""

    async def decode(self, request: HttpRequest) -> HttpRequest:
        """Refuses what is no JSON yet."""
        if LENGTH in request.headers:
            raise Refusal(400, "the header length leads into compressed bytes")
        return await super().decode(request)
