"""What a target promises about its speed: `p99 < 100ms`, `error_rate < 0.1%`."""

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

__all__ = ["Measure", "Objective", "ObjectiveError"]

SENTENCE = re.compile(r"\s*([^<>=]*?)\s*([<>=]+)\s*(.*?)\s*")
PERCENTILE = r"p([0-9]{1,2}(?:\.[0-9]+)?)"
BOUND = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(\D*)")
SCALES = {
    "time": {"s": Decimal(1), "ms": Decimal("1e-3"), "us": Decimal("1e-6"), "µs": Decimal("1e-6")},
    "share": {"%": Decimal("0.01"), "": Decimal(1)},
    "rate": {"": Decimal(1), "/s": Decimal(1)},
    "ratio": {"": Decimal(1)},
}
"""By kind of number: the units that may follow it, the largest first, and what they are worth."""


class Measure(StrEnum):
    """What is promised."""

    PERCENTILE = "percentile"
    """Of the response times, those of failed and unfinished requests infinite."""
    MEAN = "mean"
    RATIO = "ratio"
    """Of two percentiles."""
    ERROR_RATE = "error_rate"
    THROUGHPUT = "throughput"


@dataclass(frozen=True, slots=True)
class Form:
    """How a measure is written: its kind of number, the sign before it, and examples."""

    kind: str
    sign: str
    example: str


FORMS = {
    Measure.PERCENTILE: Form("time", "<", "100ms, 0.1s or 250us"),
    Measure.MEAN: Form("time", "<", "100ms, 0.1s or 250us"),
    Measure.RATIO: Form("ratio", "<", "5"),
    Measure.ERROR_RATE: Form("share", "<", "0.1%"),
    Measure.THROUGHPUT: Form("rate", ">", "500, requests a second"),
}


class ObjectiveError(ValueError):
    """One line that says which objective, what was expected and what was found."""

    def __init__(self, text: str, expected: str, found: str) -> None:
        super().__init__(f"objective {text!r}: expected {expected}, found {found}")
        self.expected = expected
        self.found = found


@dataclass(frozen=True, slots=True)
class Objective:
    """A bound that has to be kept; `str` gives it as it is written.

    Attributes:
        measure: of what.
        bound: seconds; a share from 0 to 1; requests a second; the plain ratio. THROUGHPUT has to
            be above it, all else below.
        percent: of PERCENTILE, and the upper one of RATIO; 0 for all else.
        lower: the lower percent of RATIO; 0 for all else.
    """

    measure: Measure
    bound: float
    percent: float = 0.0
    lower: float = 0.0

    @classmethod
    def parse(cls, text: str) -> "Objective":
        """Read an objective as it is written in a target file or on the command line.

        Raises:
            ObjectiveError: it is none, or one that nothing can keep or nothing can miss.
        """
        match = SENTENCE.fullmatch(text)
        if match is None:
            expected = 'a measure, "<" or ">", and a bound: "p99 < 100ms"'
            raise ObjectiveError(text, expected, repr(text))
        name, sign, bound = match.groups()
        measure, percent, lower = _measured(text, name)
        if sign != FORMS[measure].sign:
            raise ObjectiveError(text, f'"{FORMS[measure].sign}" after {name}', repr(sign))
        return cls(measure, _bound(text, bound, measure), percent, lower)

    @property
    def allowed(self) -> float | None:
        """The share of requests that may be over the bound, or fail; None where none is counted."""
        if self.measure is Measure.PERCENTILE:
            return float(1 - _exact(self.percent) / 100)
        return self.bound if self.measure is Measure.ERROR_RATE else None

    def __str__(self) -> str:
        form = FORMS[self.measure]
        return f"{self._name()} {form.sign} {_written(_exact(self.bound), form.kind)}"

    def _name(self) -> str:
        if self.measure is Measure.PERCENTILE:
            return f"p{_plain(_exact(self.percent))}"
        if self.measure is Measure.RATIO:
            return f"p{_plain(_exact(self.percent))}/p{_plain(_exact(self.lower))}"
        return self.measure.value


def _measured(text: str, name: str) -> tuple[Measure, float, float]:
    """The measure, and its percents."""
    if name in (Measure.MEAN, Measure.ERROR_RATE, Measure.THROUGHPUT):
        return Measure(name), 0.0, 0.0
    match = re.fullmatch(rf"{PERCENTILE}(?:\s*/\s*{PERCENTILE})?", name)
    percent, lower = (float(part or 0) for part in match.groups()) if match else (0.0, 0.0)
    if match is None or not 0 < percent < 100:
        expected = "p50, p99.9, p99/p50, mean, error_rate or throughput"
        raise ObjectiveError(text, expected, repr(name))
    if match[2] is None:
        return Measure.PERCENTILE, percent, 0.0
    if not 0 < lower < percent:
        raise ObjectiveError(text, "the higher percentile over the lower one", repr(name))
    return Measure.RATIO, percent, lower


def _bound(text: str, written: str, measure: Measure) -> float:
    form = FORMS[measure]
    match = BOUND.fullmatch(written)
    scale = SCALES[form.kind].get(match[2]) if match else None
    if match is None or scale is None:
        raise ObjectiveError(text, f"a bound such as {form.example}", repr(written))
    value = float(Decimal(match[1]) * scale)
    if not 0 < value < float("inf"):
        raise ObjectiveError(text, "a bound above 0", repr(written))
    if measure is Measure.ERROR_RATE and value >= 1:
        raise ObjectiveError(text, "an error rate below 100%", repr(written))
    if measure is Measure.RATIO and value <= 1:
        raise ObjectiveError(text, "a ratio above 1", repr(written))
    return value


def _exact(number: float) -> Decimal:
    """The number as it is written, not as it is stored."""
    return Decimal(repr(number))


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f")


def _written(bound: Decimal, kind: str) -> str:
    """Times in the largest unit that leaves one or more before the point; all else in the first."""
    units = list(SCALES[kind].items())
    if kind == "time":
        units = [pair for pair in units[:2] if bound >= pair[1]] or units[2:]
    unit, scale = units[0]
    return f"{_plain(bound / scale)}{unit}"
