"""What the server can be asked, whichever door the question came through."""

from servespec.wire.messages import (
    InferRequest,
    InferResponse,
    ModelMetadata,
    ServerMetadata,
    Tensor,
)

from .pipeline import Tensors
from .probes import Probes
from .repository import Model, Repository
from .signature import Work
from .timing import Timing

__all__ = ["Service"]


class Service:
    """The server behind its doors."""

    def __init__(self, metadata: ServerMetadata, repository: Repository, probes: Probes) -> None:
        self.metadata = metadata
        self._repository = repository
        self.probes = probes

    def model(self, name: str, version: str) -> Model:
        """Return the model to infer with: to be found before a body is read that may be large.

        Raises:
            ModelNotFound: no such model, or no such version of it.
            ModelNotReady: it is loading or failed to load.
        """
        return self._repository.ready(name, version)

    async def infer(
        self, model: Model, request: InferRequest, timing: Timing, cache_control: str = ""
    ) -> InferResponse:
        """Answer one inference, and note how it was computed.

        Raises:
            ServingError: see `errors`.
        """
        work = model.signature.validate(request)
        if model.keys is not None:
            work = await model.keys.keyed(work, request, cache_control)
        timing.computed = await model.compute(work)
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


def _answer(request: InferRequest, model: Model, work: Work, tensors: Tensors) -> InferResponse:
    signature = model.signature.outputs
    outputs = [
        Tensor(name, signature[name].datatype, array)
        for name, array in zip(work.outputs, tensors, strict=True)
    ]
    return InferResponse(model.name, model.version, tuple(outputs), request.id)
