"""Errors of what generators told, what is allowed, and a table of both."""

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .callers import PERCENTS, TIMEOUT

__all__ = ["ALLOWED", "Sample", "rows", "verdicts"]

ALLOWED = 0.01
"""Of the truth; what the bare loop was late is allowed on top."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one generator told of one run, at `PERCENTS`, in seconds.

    Attributes:
        caller: its name.
        truth: what it should have told; infinite: not answered.
        told: what it told.
        bare: by how much the bare loop was late in the same round.
        arrived: requests that the server got, of those that were wanted.
    """

    caller: str
    truth: Sequence[float]
    told: Sequence[float]
    bare: Sequence[float]
    arrived: float

    def errors(self) -> Sequence[float]:
        """Of each percentile, as a share of the truth."""
        return [_error(*pair) for pair in zip(self.told, self.truth, strict=True)]

    def allowed(self) -> Sequence[float]:
        """How large each may be."""
        return [ALLOWED + late / true for late, true in zip(self.bare, self.truth, strict=True)]


def _error(told: float, true: float) -> float:
    """Who gives up after a time tells that time, or infinity, of what is never answered."""
    if np.isinf(true):
        return 0.0 if told >= 0.95 * TIMEOUT else -1.0
    return told / true - 1


def rows(samples: Sequence[Sample]) -> Iterator[str]:
    """One plan's table: medians over the rounds."""
    ours = [sample for sample in samples if sample.caller == samples[0].caller]
    yield _row("", [f"p{percent:g}" for percent in PERCENTS], "asked")
    yield _row("truth, ms", [f"{1e3 * value:.2f}" for value in _medians(s.truth for s in ours)])
    yield _row(
        "bare loop late, ms", [f"{1e3 * value:.2f}" for value in _medians(s.bare for s in ours)]
    )
    yield _row("allowed", [f"{value:.2%}" for value in _medians(s.allowed() for s in ours)])
    for name, found in _by_caller(samples).items():
        errors = [f"{value:+.2%}" for value in _medians(s.errors() for s in found)]
        yield _row(name, errors, f"{statistics.median(s.arrived for s in found):.1%}")


def verdicts(samples: Sequence[Sample]) -> Iterator[str]:
    """Of each caller, at how many percentiles it is within what is allowed, and ours is nearer."""
    callers = _by_caller(samples)
    errors = {name: _medians(_sizes(s) for s in found) for name, found in callers.items()}
    ours = errors[samples[0].caller]
    for name, found in callers.items():
        allowed = _medians(s.allowed() for s in found)
        within = sum(e <= a for e, a in zip(errors[name], allowed, strict=True))
        nearer = sum(mine < its for mine, its in zip(ours, errors[name], strict=True))
        yield f"{name}: {within} of {len(allowed)} within" + (
            "" if errors[name] is ours else f", {samples[0].caller} nearer at {nearer}"
        )


def _sizes(sample: Sample) -> Sequence[float]:
    return [abs(error) for error in sample.errors()]


def _by_caller(samples: Sequence[Sample]) -> Mapping[str, list[Sample]]:
    found: dict[str, list[Sample]] = {}
    for sample in samples:
        found.setdefault(sample.caller, []).append(sample)
    return found


def _medians(rows: Iterable[Sequence[float]]) -> Sequence[float]:
    return [statistics.median(column) for column in zip(*rows, strict=True)]


def _row(name: str, cells: Sequence[str], last: str = "") -> str:
    return f"{name:22}" + "".join(f"{cell:>11}" for cell in cells) + f"{last:>9}"
