"""Defects in what is understood of a JSON inference, or said in answer to it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from ..http import Handler, HttpRequest, HttpResponse, error_response
from .registry import rest_defect

__all__ = [
    "JsonObject",
    "Refusal",
    "answer_defect",
    "inputs_of",
    "json_object",
    "question_defect",
    "requested_of",
    "with_inputs",
    "with_json",
]

JsonObject = dict[str, Any]
Question = Callable[[JsonObject], JsonObject]
Answer = Callable[[JsonObject, JsonObject], JsonObject]
Message = TypeVar("Message", HttpRequest, HttpResponse)


class Refusal(Exception):
    """What a defect raises to answer 400 with its text."""


def json_object(message: HttpRequest | HttpResponse) -> JsonObject:
    """The JSON object that a body is; an empty one where it is none."""
    try:
        value = json.loads(message.body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def with_json(message: Message, document: JsonObject) -> Message:
    """The same message with another body."""
    return replace(message, body=json.dumps(document).encode())


def inputs_of(question: JsonObject) -> list[JsonObject]:
    """The inputs that are objects with a name, in their order."""
    return _named(question.get("inputs"))


def requested_of(question: JsonObject) -> list[JsonObject]:
    """The requested outputs that are objects with a name, in their order."""
    return _named(question.get("outputs"))


def _named(entries: object) -> list[JsonObject]:
    listed = entries if isinstance(entries, list) else []
    return [each for each in listed if isinstance(each, dict) and isinstance(each.get("name"), str)]


def with_inputs(
    question: JsonObject, change: Callable[[JsonObject], JsonObject | None]
) -> JsonObject:
    """The question with each input changed, or left out where the change is None.

    It is the same object where no change was made: where `change` returned what it was given.
    """
    changed = [(each, change(each)) for each in inputs_of(question)]
    if all(before is after for before, after in changed):
        return question
    return {**question, "inputs": [after for _, after in changed if after is not None]}


def question_defect(name: str, *, breaks: Sequence[str]) -> Callable[[Question], Question]:
    """Register `question -> question`: what a JSON inference is taken for.

    Where it returns what it was given, the request goes on byte for byte. It may raise `Refusal`.
    """

    def register(misread: Question) -> Question:
        @rest_defect(name, breaks=breaks)
        async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
            asked = json_object(request) if request.target.endswith("/infer") else {}
            try:
                taken = misread(asked) if asked else asked
            except Refusal as refusal:
                return error_response(400, str(refusal))
            return await answer(request if taken is asked else with_json(request, taken))

        return misread

    return register


def answer_defect(name: str, *, breaks: Sequence[str]) -> Callable[[Answer], Answer]:
    """Register `(question, answer) -> answer`: what is said when a JSON inference succeeds."""

    def register(misspeak: Answer) -> Answer:
        @rest_defect(name, breaks=breaks)
        async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
            response = await answer(request)
            asked = json_object(request) if request.target.endswith("/infer") else {}
            sound = json_object(response)
            if not asked or "outputs" not in sound:
                return response
            return with_json(response, misspeak(asked, sound))

        return misspeak

    return register
