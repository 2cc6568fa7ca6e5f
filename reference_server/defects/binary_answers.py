"""Misbehaviours with binary tensor data in answers: which outputs are bytes, and which bytes."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ..http import Handler, HttpRequest, HttpResponse
from .binary import LENGTH, BinaryBody, json_part
from .json_bodies import JsonObject, question_defect
from .registry import rest_defect

Miswriting = Callable[[BinaryBody], bytes]


def binary_answer(name: str, *, breaks: Sequence[str]) -> Callable[[Miswriting], Miswriting]:
    """Register `body -> blocks`: the bytes that follow the JSON of a binary answer."""

    def register(miswrite: Miswriting) -> Miswriting:
        @rest_defect(name, breaks=breaks)
        async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
            response = await answer(request)
            headers = {key.lower(): value for key, value in response.headers}
            body = json_part(response.body, headers.get(LENGTH))
            if body is None or LENGTH in request.headers:
                return response
            head = response.body[: int(headers[LENGTH])]
            return replace(response, body=head + miswrite(body))

        return miswrite

    return register


def _names(body: BinaryBody) -> list[str]:
    return [each["name"] for each in body.entries]


def _kinds(body: BinaryBody) -> list[tuple[str, list[int]]]:
    return [(each["datatype"], each["shape"]) for each in body.entries]


@binary_answer("binary-padding", breaks=["EXT-BIN-002"])
def _(body: BinaryBody) -> bytes:
    """Fills the body of sum and difference up to 64 bytes."""
    return body.blocks.ljust(64, b"\0") if _names(body) == ["sum", "difference"] else body.blocks


@binary_answer("binary-outputs-in-model-order", breaks=["EXT-BIN-003/answer"])
def _(body: BinaryBody) -> bytes:
    """Writes the sum before the difference, whichever is listed first."""
    if _names(body) != ["difference", "sum"]:
        return body.blocks
    half = len(body.blocks) // 2
    return body.blocks[half:] + body.blocks[:half]


@binary_answer("binary-outputs-big-endian", breaks=["EXT-BIN-005/answer"])
def _(body: BinaryBody) -> bytes:
    """Writes INT32 in network order."""
    if _kinds(body) != [("INT32", [2, 3])]:
        return body.blocks
    return np.frombuffer(body.blocks, "<i4").byteswap().tobytes()


@binary_answer("binary-true-is-255", breaks=["EXT-BIN-006/answer"])
def _(body: BinaryBody) -> bytes:
    """Sets every bit of a true."""
    return (
        body.blocks.replace(b"\1", b"\xff") if _kinds(body) == [("BOOL", [1, 3])] else body.blocks
    )


@binary_answer("binary-lengths-big-endian", breaks=["EXT-BIN-007/answer"])
def _(body: BinaryBody) -> bytes:
    """Writes the length of a text of two bytes in network order."""
    return body.blocks.replace(struct.pack("<I2s", 2, b"ab"), struct.pack(">I2s", 2, b"ab"))


@question_defect("binary-for-all-outputs", breaks=["EXT-BIN-008"])
def _(asked: JsonObject) -> JsonObject:
    """Makes all outputs binary where one is asked for so, and nothing else is said."""
    outputs = asked.get("outputs", [])
    marks = [each.get("parameters", {}).get("binary_data") for each in outputs]
    if True not in marks or "parameters" in asked:
        return asked
    return {**asked, "outputs": [{**each, "parameters": {"binary_data": True}} for each in outputs]}


@question_defect("binary-outputs-named-only", breaks=["EXT-BIN-009"])
def _(asked: JsonObject) -> JsonObject:
    """Does not hear `binary_data_output` where no output is named."""
    said = asked.get("parameters", {})
    return asked if "outputs" in asked or "binary_data_output" not in said else _silent(asked)


def _silent(asked: JsonObject) -> JsonObject:
    return {key: value for key, value in asked.items() if key != "parameters"}


@rest_defect("binary-answer-says-json", breaks=["EXT-BIN-010"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Calls every answer to an inference JSON."""
    response = await answer(request)
    headers = {**dict(response.headers), "Content-Type": "application/json"}
    return replace(response, headers=tuple(headers.items()))
