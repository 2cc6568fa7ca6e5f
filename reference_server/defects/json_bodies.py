"""Defects in what is understood of a JSON inference, or said in answer to it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from ..http import Handler, HttpRequest, HttpResponse
from .registry import rest_defect

__all__ = ["JsonObject", "answer_defect", "json_object", "question_defect", "with_json"]

JsonObject = dict[str, Any]
Question = Callable[[JsonObject], JsonObject]
Answer = Callable[[JsonObject, JsonObject], JsonObject]
Message = TypeVar("Message", HttpRequest, HttpResponse)


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


def question_defect(name: str, *, breaks: Sequence[str]) -> Callable[[Question], Question]:
    """Register `question -> question`: what a JSON inference is taken for.

    What it returns unchanged goes to the sound handler byte for byte.
    """

    def register(misread: Question) -> Question:
        @rest_defect(name, breaks=breaks)
        async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
            asked = json_object(request) if request.target.endswith("/infer") else {}
            taken = misread(asked) if asked else asked
            return await answer(request if taken == asked else with_json(request, taken))

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
