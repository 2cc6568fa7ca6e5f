"""A model's own Python functions, before and behind its engine."""

import logging
import runpy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, cast

import numpy as np

from servespec.wire.datatypes import DATATYPES
from servespec.wire.messages import TensorMetadata

from .errors import ComputeFailed, InvalidRequest, LoadError
from .pipeline import Computed, Stage
from .signature import Signature, Work, fits
from .workers import Workers

__all__ = ["Function", "Step", "SteppedStage", "load_function"]

_LOG = logging.getLogger(__name__)

Function = Callable[[Mapping[str, np.ndarray]], Any]
"""Takes arrays by name and returns arrays by name; whether it does is to be seen."""


def load_function(folder: Path, place: str) -> Function:
    """Run a file of a model's folder, `file.py:function`, and return the function.

    Raises:
        LoadError: the file does not run, or has no such function.
    """
    file, _, name = place.partition(":")
    try:
        found: object = runpy.run_path(str(folder / file)).get(name)  # leaves no __pycache__ there
    except BaseException as error:  # it may raise anything, and may exit
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise LoadError(f"steps: {place}: {said}") from error
    if not callable(found):
        raise LoadError(f"steps: {place}: expected a function {name} in {file}")
    return cast(Function, found)


class _Misfit(Exception):
    """What a step returned is not what it should have."""


@dataclass(frozen=True, slots=True)
class Step:
    """A function that replaces tensors by others of the same names, datatypes and variable shapes.

    Attributes:
        kind: "preprocess" or "postprocess".
        model: its name, for errors and log lines.
        function: the model's own.
        tensors: what the model's signature says of them.
    """

    kind: str
    model: str
    function: Function
    tensors: Mapping[str, TensorMetadata]

    def __call__(self, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return what the function makes of the tensors.

        Raises:
            InvalidRequest: it raised ValueError.
            ComputeFailed: it raised anything else, or returned what does not fit.
        """
        who = f"{self.kind} of model {self.model}"
        try:
            return self._checked(self.function(dict(tensors)), tensors)
        except _Misfit as misfit:
            raise ComputeFailed(f"{who} returned {misfit}") from misfit
        except ValueError as error:
            raise InvalidRequest(" ".join(str(error).split()) or f"refused by {who}") from error
        except BaseException as error:  # a step may raise anything, and may exit
            _LOG.warning("%s raised", who, exc_info=error)
            raise ComputeFailed(f"{who} raised") from error

    def _checked(self, result: Any, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        if not isinstance(result, Mapping):
            raise _Misfit(f"a {type(result).__name__}; expected a mapping of names to arrays")
        if set(result) != set(given):
            found, wanted = (", ".join(map(repr, names)) or "none" for names in (result, given))
            raise _Misfit(f"the tensors {found}; expected {wanted}")
        return {name: _fitting(self.tensors[name], result[name]) for name in given}


def _fitting(expected: TensorMetadata, array: Any) -> np.ndarray:
    dtype = DATATYPES[expected.datatype].dtype
    if not isinstance(array, np.ndarray):
        raise _Misfit(f"{expected.name!r} as a {type(array).__name__}; expected a numpy array")
    if array.dtype != dtype:
        raise _Misfit(f"{expected.name!r} as {array.dtype}; expected {dtype}")
    if not fits(array.shape, expected.shape):
        raise _Misfit(
            f"{expected.name!r} with shape {list(array.shape)}; expected {list(expected.shape)}"
        )
    if dtype.kind == "O" and not all(isinstance(element, bytes) for element in array.flat):
        raise _Misfit(f"{expected.name!r} with elements that are no bytes")
    return array


@dataclass(frozen=True, slots=True)
class SteppedStage:
    """A stage that runs a model's steps around the next one.

    Attributes:
        signature: of the model.
        preprocess: what comes before, if anything.
        postprocess: what comes behind, if anything.
        threads: to run them: only this model's, so that no other waits for them.
        stage: what is between them.
    """

    signature: Signature
    preprocess: Step | None
    postprocess: Step | None
    threads: Workers
    stage: Stage

    async def compute(self, work: Work) -> Computed:
        """Run the steps and what is between them.

        Raises:
            InvalidRequest: a step refused its tensors.
            ComputeFailed: a step failed.
        """
        seconds = None
        if self.preprocess is not None:
            started = monotonic()
            tensors = await self.threads.run(partial(self.preprocess, work.tensors))
            self._check_shared(tensors)
            work, seconds = replace(work, tensors=tensors), monotonic() - started
        computed = replace(await self.stage(work), preprocess_seconds=seconds)
        if self.postprocess is None:
            return computed
        started = monotonic()
        named = dict(zip(work.outputs, computed.tensors, strict=True))
        outputs = await self.threads.run(partial(self.postprocess, named))
        return replace(
            computed,
            tensors=[outputs[name] for name in work.outputs],
            postprocess_seconds=monotonic() - started,
        )

    def _check_shared(self, tensors: Mapping[str, np.ndarray]) -> None:
        try:
            self.signature.check_shared(tensors)
        except InvalidRequest as error:  # of ours, not of the caller's
            raise ComputeFailed(f"preprocess: {error}") from error
