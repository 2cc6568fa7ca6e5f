"""Defects in what is understood of a gRPC inference, or said in answer to it."""

from collections.abc import Callable, Sequence

from google.protobuf.message import Message
from grpc import StatusCode

from servespec.wire.proto import ModelInferRequest, ModelInferResponse

from .registry import Behaviour, Context, grpc_defect

__all__ = ["Answer", "Question", "answer_defect", "code_defect", "question_defect"]

Question = Callable[[ModelInferRequest], None]
Answer = Callable[[ModelInferRequest, ModelInferResponse], None]


def question_defect(name: str, *, breaks: Sequence[str]) -> Callable[[Question], Question]:
    """Register what changes the message of an inference in place before it is answered."""

    def register(misread: Question) -> Question:
        @grpc_defect(name, breaks=breaks)
        async def _(_method: str, request: Message, context: Context, answer: Behaviour) -> Message:
            if isinstance(request, ModelInferRequest):
                misread(request)
            return await answer(request, context)

        return misread

    return register


def answer_defect(name: str, *, breaks: Sequence[str]) -> Callable[[Answer], Answer]:
    """Register what changes the answer to an inference in place."""

    def register(misspeak: Answer) -> Answer:
        @grpc_defect(name, breaks=breaks)
        async def _(_method: str, request: Message, context: Context, answer: Behaviour) -> Message:
            response = await answer(request, context)
            if isinstance(request, ModelInferRequest) and isinstance(response, ModelInferResponse):
                misspeak(request, response)
            return response

        return misspeak

    return register


def code_defect(
    name: str, error: type[Exception], code: StatusCode, *, breaks: Sequence[str]
) -> None:
    """Register an error that is told with another code."""

    @grpc_defect(name, breaks=breaks)
    async def _(_method: str, request: Message, context: Context, answer: Behaviour) -> Message:
        try:
            return await answer(request, context)
        except error as failed:
            text = str(failed)
        return await context.abort(code, text)
