"""Response times whose truth is known: of a queue with one server."""

import numpy as np

__all__ = ["queue"]


def queue(random: np.random.Generator, count: int, load: float) -> np.ndarray:
    """Response times in an M/M/1 queue (mean service 1) after a warm-up, in order of arrival.

    In the long run they are exponential with the mean 1 / (1 - load).
    """
    total = count + 4000
    service = random.exponential(1, total)
    steps = service[:-1] - random.exponential(1 / load, total - 1)
    walk = np.concatenate([[0.0], np.cumsum(steps)])
    waiting = walk - np.minimum.accumulate(walk)  # Lindley's recursion, all at once
    return (waiting + service)[-count:]
