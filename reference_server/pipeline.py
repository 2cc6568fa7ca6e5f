"""What stands between a model's callers and its engine.

A stage is a callable that holds the next one and knows nothing of those above it: work goes down by
a call and comes up by a return. The last stage is the engine, which computes in batches.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from .signature import Work

__all__ = [
    "FATES",
    "CacheUse",
    "Computed",
    "Execute",
    "Fate",
    "Outcome",
    "Run",
    "Stage",
    "Tensors",
]

Tensors: TypeAlias = Sequence[np.ndarray]
"""An array for each of the work's outputs, in their order."""

CacheUse: TypeAlias = Literal["hit", "miss", "bypass"]
"""What the cache was to a request; bypass: its caller did not want to be answered from it."""

Fate: TypeAlias = Literal["same", "different", "failed", "dropped"]
"""What became of a copy for a shadow. Different: from the answer that was served, in any bit."""
FATES: tuple[Fate, ...] = get_args(Fate)


@dataclass(frozen=True, slots=True)
class Computed:
    """What became of work, and how.

    Attributes:
        tensors: an array for each of the work's outputs, in their order.
        queue_seconds: from its arrival at the engine until the batch began.
        compute_seconds: of the batch.
        batch_rows: of the batch that it was a part of; 1 for a model that is not batched.
        preprocess_seconds: of the model's own step before; None where it has none.
        postprocess_seconds: of the model's own step behind; None where it has none.
        source: where it comes from; all times are those of an execution that this caller began.
        cache: what the cache was to it; None for a model without one.
    """

    tensors: Tensors
    queue_seconds: float
    compute_seconds: float
    batch_rows: int
    preprocess_seconds: float | None = None
    postprocess_seconds: float | None = None
    source: Literal["engine", "cache", "flight"] = "engine"
    cache: CacheUse | None = None


Stage: TypeAlias = Callable[[Work], Awaitable[Computed]]

Run: TypeAlias = Callable[[Work], Tensors]
"""Computes one piece of work; raises what the runtime raises."""

Outcome: TypeAlias = Tensors | Exception
"""What became of one piece of work of a batch."""

Execute: TypeAlias = Callable[[Sequence[Work]], Sequence[Outcome]]
"""Computes a batch; an outcome for each piece of work, in their order."""
