"""Runs a batch: many pieces of work as one, each with the outcome that it would have had alone."""

import logging
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise

import numpy as np

from .errors import ComputeFailed, Interrupted, ServingError
from .model_file import Batching, Padding
from .pipeline import Outcome, Run, Tensors
from .signature import Work

__all__ = ["Merger"]

_LOG = logging.getLogger(__name__)


class _Unsplittable(Exception):
    """An output that cannot be told apart by the rows that went in."""


class Merger:
    """Runs batches of one model; its `__call__` is an `Execute`.

    Args:
        name: of the model, for errors and log lines.
        run: computes one piece of work.
        batching: how the model is batched; None where it is not.

    Attributes:
        executed: the rows of each execution that came to its end, for who counts them.
    """

    def __init__(self, name: str, run: Run, batching: Batching | None) -> None:
        self.executed: deque[int] = deque(maxlen=10_000)
        self._name = name
        self._run = run
        self._batching = batching
        self._warned = False

    def __call__(self, works: Sequence[Work]) -> Sequence[Outcome]:
        """Run the batch as one. Where that fails it is halved, so that only the culprit fails."""
        if len(works) == 1:
            return [self._alone(works[0])]
        try:
            return self._together(works)
        except _Unsplittable as error:
            self._warn(error)
            return [self._alone(work) for work in works]
        except Interrupted as error:
            return [error] * len(works)
        except Exception:
            half = len(works) // 2
            return [*self(works[:half]), *self(works[half:])]

    def _alone(self, work: Work) -> Outcome:
        try:
            if self._batching is None:
                return self._counted(work, 1)
            rows = _rows(work)
            if rows > self._batching.max_rows:
                return self._in_parts(work, rows, self._batching.max_rows)
            return self._counted(work, rows)
        except ServingError as error:
            return error
        except Exception as error:  # onnxruntime raises a dozen unrelated types
            # Its text names nodes, source files and addresses: for the operator, not the caller.
            _LOG.warning("model %s raised: %s", self._name, " ".join(str(error).split()))
            return ComputeFailed(f"model {self._name} raised while it ran")

    def _together(self, works: Sequence[Work]) -> Sequence[Outcome]:
        padding = self._batching.padding if self._batching else None
        merged = _merged(works, padding)
        bounds = [*accumulate(map(_rows, works), initial=0)]
        results = self._counted(merged, bounds[-1])
        _check_rows(merged, results, bounds[-1])
        answers: Iterable[Tensors] = (
            [result[start:stop] for result in results] for start, stop in pairwise(bounds)
        )
        if padding is None:
            return [*answers]
        return [
            _cut(answer, work, merged, padding) for answer, work in zip(answers, works, strict=True)
        ]

    def _in_parts(self, work: Work, rows: int, size: int) -> Tensors:
        answers = list[Tensors]()
        for start in range(0, rows, size):
            tensors = {name: array[start : start + size] for name, array in work.tensors.items()}
            part = Work(tensors, work.outputs)
            answers.append(self._counted(part, _rows(part)))
            try:
                _check_rows(part, answers[-1], _rows(part))
            except _Unsplittable as error:
                self._warn(error)
                raise ComputeFailed(f"model {self._name} takes {size} rows at most") from error
        return [np.concatenate(results) for results in zip(*answers, strict=True)]

    def _counted(self, work: Work, rows: int) -> Tensors:
        results = self._run(work)
        self.executed.append(rows)
        return results

    def _warn(self, error: _Unsplittable) -> None:
        """Tell the operator, once, since nothing of it depends on the request."""
        if not self._warned:
            self._warned = True
            _LOG.warning("model %s should not be batched: %s", self._name, error)


def _rows(work: Work) -> int:
    return len(next(iter(work.tensors.values())))


def _check_rows(work: Work, results: Tensors, rows: int) -> None:
    for name, result in zip(work.outputs, results, strict=True):
        if result.shape[:1] != (rows,):
            shape = list(result.shape)
            raise _Unsplittable(f"output {name!r} has shape {shape} for {rows} rows of input")


def _merged(works: Sequence[Work], padding: Padding | None) -> Work:
    tensors = {}
    for name in works[0].tensors:
        arrays = [work.tensors[name] for work in works]
        if padding is not None and name in padding.values:
            tensors[name] = _padded(arrays, padding.axis, padding.values[name])
        else:
            tensors[name] = np.concatenate(arrays)
    return Work(tensors, works[0].outputs)


def _padded(arrays: Sequence[np.ndarray], axis: int, value: float) -> np.ndarray:
    """Concatenate, each filled up to the longest."""
    lengths = [array.shape[axis] for array in arrays]
    if len(set(lengths)) == 1:
        return np.concatenate(arrays)
    bounds = [*accumulate(map(len, arrays), initial=0)]
    shape = list(arrays[0].shape)
    shape[0], shape[axis] = bounds[-1], max(lengths)
    padded = np.full(shape, value, arrays[0].dtype)
    whole = (slice(None),) * (axis - 1)
    for array, length, (start, stop) in zip(arrays, lengths, pairwise(bounds), strict=True):
        padded[(slice(start, stop), *whole, slice(length))] = array
    return padded


def _cut(answer: Tensors, work: Work, merged: Work, padding: Padding) -> Tensors:
    """Take the padding off again."""
    length, longest = _length(work, padding), _length(merged, padding)
    if length == longest:
        return answer
    kept = (slice(None),) * padding.axis + (slice(length),)
    tensors = list[np.ndarray]()
    for name, result in zip(work.outputs, answer, strict=True):
        if name not in padding.outputs:
            tensors.append(result)
        elif result.shape[padding.axis] == longest:
            tensors.append(result[kept])
        else:
            found = result.shape[padding.axis]
            raise _Unsplittable(f"output {name!r} has length {found} for inputs of {longest}")
    return tensors


def _length(work: Work, padding: Padding) -> int:
    return int(work.tensors[next(iter(padding.values))].shape[padding.axis])
