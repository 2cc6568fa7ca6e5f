"""Blocks of two servers in turn; a round that the generator spoilt is measured again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from servespec.stats.percentiles import percentile

from ..judging.gates import GATES, Run, achieved, load_achieved
from ..sending.plan import Plan

__all__ = ["PERCENTS", "Discarded", "Rounds", "interleaved", "settled"]

PERCENTS = (50.0, 95.0, 99.0)
MOST_AGAIN = 3
"""So often a round is measured again; what is spoilt then stays in, and spoils the comparison."""
_SETTLING = 0.1  # the share of a block in which its connections are opened


@dataclass(frozen=True, slots=True)
class Discarded:
    """A round that was measured again.

    Attributes:
        number: of the round, from 1.
        spoilt: why it says nothing.
        percentiles: the p50, p95 and p99 of each server in it, seconds.
    """

    number: int
    spoilt: Sequence[str]
    percentiles: Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class Rounds:
    """What was measured.

    Attributes:
        blocks: the runs of each server, in the order of the rounds.
        discarded: what was measured again, in the order of time.
    """

    blocks: Sequence[Sequence[Run]]
    discarded: Sequence[Discarded] = ()


def interleaved(plan: Plan, rounds: int, drives: Sequence[Callable[[Plan], Run]]) -> Rounds:
    """Drive each in every round, with the same schedule, and another one first in each.

    All of a round are measured again where the generator spoilt one of them: what disturbs the
    machine disturbs all.

    Args:
        plan: of a block; its seed is that of the first round.
        rounds: how many.
        drives: sends a plan to a server.
    """
    measured: list[list[Run]] = []
    discarded: list[Discarded] = []
    for number in range(rounds):
        block, order = replace(plan, seed=plan.seed + number), list(range(len(drives)))
        order = order if number % 2 == 0 else order[::-1]
        for again in range(MOST_AGAIN + 1):
            runs = {which: drives[which](block) for which in order}
            found = [runs[which] for which in range(len(drives))]
            why = list(dict.fromkeys(said for run in found for said in _spoilt(run)))
            if not why or again == MOST_AGAIN:
                break
            discarded.append(Discarded(number + 1, why, [_percentiles(run) for run in found]))
        measured.append(found)
    return Rounds(list(zip(*measured, strict=True)), discarded)


def settled(run: Run) -> np.ndarray:
    """The response times of a block in seconds, without its beginning.

    Counted from the dispatch: the generator's lateness is in both, and would hide what differs.
    """
    later = run.records.intended >= _SETTLING * run.plan.seconds
    return np.asarray(run.records.service_seconds()[later])


def _spoilt(run: Run) -> list[str]:
    """Why a block says nothing; its last request alone may be late, be it more than a percent."""
    late = round((1 - achieved([run])) * len(run.records))
    gates = GATES if late > 1 else [gate for gate in GATES if gate is not load_achieved]
    return [why for gate in gates if (why := gate(run))]


def _percentiles(run: Run) -> list[float]:
    return [percentile(settled(run), percent) for percent in PERCENTS]
