"""What the server can be asked, whichever door the question came through."""

import asyncio
from time import monotonic

from servespec.wire.messages import (
    InferRequest,
    InferResponse,
    ModelMetadata,
    ServerMetadata,
    Tensor,
)

from .errors import ComputeFailed, DeadlineExceeded
from .mirroring import Mirror
from .pipeline import Computed, Stage, Tensors
from .probes import Probes
from .repository import Model
from .routing import Asked, Choice, Router
from .scheduling import scheduled
from .signature import Work
from .timing import Timing

__all__ = ["Service"]

_SLACK_SECONDS = 0.05
"""By which a caller's clock may be ahead of ours: who leaves so late was at a deadline."""


class Service:
    """The server behind its doors."""

    def __init__(
        self, metadata: ServerMetadata, router: Router, mirror: Mirror, probes: Probes
    ) -> None:
        self.metadata = metadata
        self._mirror = mirror
        self._repository = router.repository
        self._router = router
        self.probes = probes

    def choose(self, asked: Asked, timing: Timing) -> Choice:
        """Return the version that serves: to be found before a body is read that may be large.

        Raises:
            ModelNotFound: no such model, or no such version of it.
            ModelNotReady: it is loading or failed to load.
        """
        choice = self._router.choose(asked)
        timing.serves(choice.model)
        return choice

    async def infer(
        self,
        asked: Asked,
        choice: Choice,
        request: InferRequest,
        timing: Timing,
        *,
        cache_control: str = "",
        deadline: float | None = None,
    ) -> InferResponse:
        """Answer one inference before its deadline, and note how it was computed.

        Raises:
            ServingError: see `errors`.
        """
        model = self._router.by_parameters(asked, choice, request.parameters)
        timing.serves(model)
        shadow = choice.routes.mirror
        try:
            answer = await self._computed(model, request, timing, cache_control, deadline)
        except ComputeFailed as error:
            if shadow is not None:
                self._mirror.offer(shadow, request, model.version, error)
            raise
        if shadow is not None:
            self._mirror.offer(shadow, request, model.version, answer)
        return answer

    async def _computed(
        self,
        model: Model,
        request: InferRequest,
        timing: Timing,
        cache_control: str,
        deadline: float | None,
    ) -> InferResponse:
        work = model.signature.validate(request)
        work = scheduled(work, request.parameters, model.queueing, deadline)
        if model.keys is not None:
            work = await model.keys.keyed(work, request, cache_control)
        timing.computed = await _in_time(model.compute, work, timing)
        return _answer(request, model, work, timing.computed.tensors)

    def model_ready(self, name: str, version: str) -> bool:
        """Whether this model can be asked.

        Raises:
            ModelNotFound: no such model, or no such version of it.
        """
        return self.probes.can_be_asked(self._repository.entry(name, version).state)

    def model_metadata(self, name: str, version: str) -> ModelMetadata:
        """Describe a model.

        Raises:
            ModelNotFound: no such model, or no such version of it.
            ModelNotReady: it is loading or failed to load.
        """
        signature = self._repository.ready(name, version).signature
        return ModelMetadata(
            name,
            self._repository.ready_versions(name),
            "onnxruntime_onnx",
            tuple(signature.inputs.values()),
            tuple(signature.outputs.values()),
        )


async def _in_time(compute: Stage, work: Work, timing: Timing) -> Computed:
    """Compute; its caller may leave at the deadline before we give it up."""
    try:
        if work.deadline is None:
            return await compute(work)
        if work.deadline <= monotonic():
            raise TimeoutError
        async with asyncio.timeout_at(work.deadline):
            return await compute(work)
    except TimeoutError:
        raise DeadlineExceeded("the deadline of the request has passed") from None
    except asyncio.CancelledError:
        if work.deadline is not None and work.deadline < monotonic() + _SLACK_SECONDS:
            timing.has_expired()
        raise


def _answer(request: InferRequest, model: Model, work: Work, tensors: Tensors) -> InferResponse:
    signature = model.signature.outputs
    outputs = [
        Tensor(name, signature[name].datatype, array)
        for name, array in zip(work.outputs, tensors, strict=True)
    ]
    return InferResponse(model.name, model.version, tuple(outputs), request.id)
