"""What stands between a model's callers and its engine.

A stage is a callable that holds the next one and knows nothing of those above it: work goes down by
a call and comes up by a return.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from .signature import Work

__all__ = ["Computed", "Stage", "Tensors"]

Tensors: TypeAlias = Sequence[np.ndarray]
"""An array for each of the work's outputs, in their order."""


@dataclass(frozen=True, slots=True)
class Computed:
    """The outputs, and how they came about.

    Attributes:
        queue_seconds: from the engine's queue to its execution.
        compute_seconds: the execution, of the whole batch.
        batch_rows: how many rows were executed together.
        preprocess_seconds: the model's own step before the engine; None where it has none.
        postprocess_seconds: likewise behind it.
    """

    tensors: Tensors
    queue_seconds: float
    compute_seconds: float
    batch_rows: int
    preprocess_seconds: float | None = None
    postprocess_seconds: float | None = None


Stage: TypeAlias = Callable[[Work], Awaitable[Computed]]
