"""What stands between a model's callers and its engine.

A stage is a callable that holds the next one and knows nothing of those above it: work goes down by
a call and comes up by a return. There is no stage yet, so the pipeline is the engine itself.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import numpy as np

from .signature import Work

__all__ = ["Stage", "Tensors"]

Tensors: TypeAlias = Sequence[np.ndarray]
"""An array for each of the work's outputs, in their order."""

Stage: TypeAlias = Callable[[Work], Awaitable[Tensors]]
