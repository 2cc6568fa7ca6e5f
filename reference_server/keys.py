"""Which requests have the same answer: a key for each computation."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from hashlib import blake2b

import numpy as np

from servespec.wire.messages import InferRequest, Parameters, Tensor

from .codec import Codec
from .errors import InvalidRequest
from .signature import Reuse, Work

__all__ = ["Keys", "reuse"]

_KEY_BYTES = 32
_NOT_OF_THE_ANSWER = frozenset({"cache", "priority", "timeout"})
_ENCODING = "binary_data"
"""Parameters that begin so say how tensors travel, not which they are."""


class Keys:
    """Names the computations of one loaded model, so that those with one answer have one key.

    Args:
        model: its name.
        version: its label.
        generation: of this load: another one has other keys.
        codec: hashes what is large.
    """

    def __init__(self, model: str, version: str, generation: bytes, codec: Codec) -> None:
        self.model = model
        self.version = version
        self.generation = generation
        self._codec = codec

    async def keyed(self, work: Work, request: InferRequest, cache_control: str) -> Work:
        """Return the work with its key, and what its caller wants of earlier answers.

        Raises:
            InvalidRequest: the parameter `cache` is neither true nor false.
        """
        wanted = reuse(request.parameters, cache_control)
        size = sum(tensor.array.nbytes for tensor in request.inputs)
        key = await self._codec.run(size, partial(self.key, work, request))
        return replace(work, key=key, reuse=wanted)

    def key(self, work: Work, request: InferRequest) -> bytes:
        """Digest all that the answer depends on: neither the id nor any header."""
        by_name = {tensor.name: tensor for tensor in request.inputs}
        inputs = [by_name[name] for name in sorted(by_name)]
        digest = blake2b(self._description(work, request, inputs), digest_size=_KEY_BYTES)
        for tensor in inputs:  # the description has their lengths: no two can be mixed up
            for piece in _pieces(tensor):
                digest.update(piece)
        return digest.digest()

    def _description(self, work: Work, request: InferRequest, inputs: Iterable[Tensor]) -> bytes:
        identity = (self.model, self.version, self.generation)
        outputs = [_telling(output.parameters) for output in request.outputs]
        asked = (work.outputs, outputs, _telling(request.parameters))
        return repr((identity, asked, [_described(tensor) for tensor in inputs])).encode()


def reuse(parameters: Parameters, cache_control: str) -> Reuse:
    """Return what a request says of earlier answers; its parameter counts for more than its header.

    Raises:
        InvalidRequest: the parameter `cache` is neither true nor false.
    """
    cache = parameters.get("cache", True)
    if not isinstance(cache, bool):
        raise InvalidRequest(f"parameter 'cache': {cache!r}; expected true or false")
    if not cache:
        return Reuse.NO_STORE
    directives = {directive.strip().lower() for directive in cache_control.split(",")}
    if "no-store" in directives:
        return Reuse.NO_STORE
    return Reuse.NO_CACHE if "no-cache" in directives else Reuse.ALLOWED


def _described(tensor: Tensor) -> tuple[object, ...]:
    array = tensor.array
    lengths = [*map(len, array.flat)] if array.dtype.kind == "O" else None
    return tensor.name, tensor.datatype, array.shape, lengths, _telling(tensor.parameters)


def _telling(parameters: Mapping[str, object]) -> list[tuple[str, object]]:
    """Return the parameters that may change an answer, in an order of their own."""
    return sorted(
        (name, value)
        for name, value in parameters.items()
        if name not in _NOT_OF_THE_ANSWER and not name.startswith(_ENCODING)
    )


def _pieces(tensor: Tensor) -> Iterator[bytes | memoryview]:
    """Return all bits of a tensor: 0.0 and -0.0 are equal, and divide differently."""
    if tensor.array.dtype.kind == "O":
        yield b"".join(tensor.array.flat)
    else:
        yield np.ascontiguousarray(tensor.array).reshape(-1).view(np.uint8).data
