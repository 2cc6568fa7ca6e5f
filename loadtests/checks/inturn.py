"""Ways to the same answer, asked in turn: what disturbs the machine disturbs all of them."""

from collections.abc import Callable, Sequence

import numpy as np

from servespec.stats.compare import Comparison, compare_percentiles
from servespec.target.evidence import Statistic
from servespec.target.outcomes import Inconclusive, Nonconformance
from servespec.target.target import Target

from ..judging.report import finite

__all__ = ["CONFIDENCE", "EACH", "Ask", "in_turn", "median_ratio", "must_be_below"]

ROUNDS, EACH = 12, 5
CONFIDENCE = 0.99

Ask = Callable[[], Sequence[float]]
"""Asks a few times; the seconds of each."""


def in_turn(*asks: Ask) -> list[list[np.ndarray]]:
    """What each took, round by round; another one is first in each.

    The first round, in which connections are opened and caches filled, is left out.
    """
    blocks: list[list[np.ndarray]] = [[] for _ in asks]
    for number in range(ROUNDS + 1):
        order = range(len(asks)) if number % 2 else reversed(range(len(asks)))
        for which in order:
            blocks[which].append(np.asarray(asks[which]()))
    return [taken[1:] for taken in blocks]


def median_ratio(
    target: Target, name: str, a: Sequence[np.ndarray], b: Sequence[np.ndarray]
) -> Comparison:
    """How many times the median of A that of B is; it goes into the report under that name."""
    compared = compare_percentiles(a, b, 50, alpha=1 - CONFIDENCE)
    low, high = finite([compared.interval.low, compared.interval.high])
    count = sum(block.size for block in (*a, *b))
    value = finite(compared.ratio)
    target.measured(Statistic(name, "", value, low, high, count, CONFIDENCE))
    return compared


def must_be_below(bound: float, compared: Comparison, what: str) -> None:
    """FAIL when a ratio is surely above the bound.

    Raises:
        Inconclusive: the bound is within its interval.
    """
    within = compared.interval
    text = f"{what} {compared.ratio:.3g} times ({within.low:.3g} to {within.high:.3g})"
    if within.low > bound:
        raise Nonconformance(f"{text}, not at most {bound:g} times")
    if within.high > bound:
        raise Inconclusive(f"{text}: {bound:g} is too close to tell")
