"""What a load test sends, when and for how long: read once, the same in every process."""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np

from servespec.target import schedules

from .traces import read_trace

__all__ = ["ARRIVALS", "PLANES", "Plan", "PlanError", "arrivals_of"]

PLANES = ("rest", "binary", "grpc", "json")
KEPT = 5_000_000
"""Requests of one run of which each is kept, with its times, in some 50 bytes; of more, histograms.
It is also the most that one process sends, which has a row for each of its own all the same."""
MOST_REQUESTS = 100_000_000
"""Of one run: every process makes the whole schedule, of 8 bytes a request, and then keeps its own
share of it."""

Make = Callable[[float, float, int], np.ndarray]
"""From rate, seconds and seed to offsets."""


class PlanError(ValueError):
    """One line that says what of the plan is wrong, and what was expected."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A load test.

    Attributes:
        arrivals: how requests come, such as `poisson` or `gamma:2`; `ARRIVALS` lists them.
        rate: requests a second, on the whole.
        seconds: how long requests are sent.
        seed: of the arrivals and of what each asks.
        plane: what is spoken, one of `PLANES`.
        workload: what is asked.
        timeout: seconds from its dispatch after which a request counts as lost.
        in_flight: the most requests under way in one process; one more is shed.
        template: the file that says how to ask on the plane `json`; empty on all others.
        keep: of a run of more requests, histograms are kept instead of each one.
    """

    arrivals: str = "poisson"
    rate: float = 100.0
    seconds: float = 30.0
    seed: int = 1
    plane: str = "rest"
    workload: str = "identity"
    timeout: float = 10.0
    in_flight: int = 1000
    template: str = ""
    keep: int = KEPT

    @classmethod
    def of(cls, options: Mapping[str, Any], timeout: float) -> Self:
        """The plan that options of the same names ask for; commands call the timeout variously."""
        names = (item.name for item in fields(cls) if item.name != "timeout")
        return cls(**{name: options[name] for name in names}, timeout=timeout)

    @property
    def together(self) -> int:
        """Requests of a query in a closed loop; 0 in an open one, where none waits for another."""
        name, _, parameter = self.arrivals.partition(":")
        return int(parameter or 1) if name in CLOSED else 0

    @property
    def at_once(self) -> bool:
        """Whether all is asked at the start, for the throughput alone: the seconds say how much."""
        return self.arrivals == "offline"

    def offsets(self) -> np.ndarray:
        """When each request is to be sent, in seconds from the start, ascending.

        Raises:
            PlanError: the arrivals are unknown, or too few or too many.
        """
        for name, value in (("rate", self.rate), ("seconds", self.seconds)):
            if not value > 0:
                raise PlanError(f"{name}: expected a number above 0, found {value:g}")
        if self.rate * self.seconds > MOST_REQUESTS:
            raise PlanError(
                f"rate x seconds: expected {MOST_REQUESTS:,} requests at most, "
                f"found {self.rate * self.seconds:,.0f}"
            )
        offsets = arrivals_of(self.arrivals)(self.rate, self.seconds, self.seed)
        if not len(offsets):
            raise PlanError(f"arrivals: expected one request at least, found none in {self}")
        if self.together > self.in_flight:
            expected = f"{self.together} at least, as so many are asked together"
            raise PlanError(f"in_flight: expected {expected}, found {self.in_flight}")
        return offsets

    def tallies(self, requests: int) -> bool:
        """Whether histograms are kept of so many requests; a closed loop keeps its rows."""
        return requests > self.keep and not self.together

    def must_be_shared(self, processes: int) -> None:
        """See to it that no process has more requests than it has rows for.

        Raises:
            PlanError: says how many processes it takes.
        """
        needed = math.ceil(self.rate * self.seconds / KEPT)
        if processes < needed:
            raise PlanError(
                f"rate x seconds: expected {KEPT:,} requests at most in each process, found "
                f"{self.rate * self.seconds:,.0f} in {processes}: it takes --processes {needed}"
            )

    def fingerprint(self, offsets: np.ndarray) -> str:
        """What tells one schedule from another: of its offsets and of what is asked."""
        digest = hashlib.sha256(offsets.tobytes())
        digest.update(f"{self.plane} {self.workload} {self.seed}".encode())
        if self.template:
            digest.update(Path(self.template).read_bytes())
        return digest.hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Arrivals:
    """A way in which requests come.

    Attributes:
        parameter: what may follow its name after a colon; "" where nothing may.
        make: from that text to a maker of offsets. A ValueError says what was wrong with it.
    """

    parameter: str
    make: Callable[[str], Make]


def _plain(make: Make) -> Arrivals:
    return Arrivals("", lambda _: make)


def _constant(rate: float, seconds: float, _seed: int) -> np.ndarray:
    return schedules.constant(rate, seconds)


def _offline(rate: float, seconds: float, _seed: int) -> np.ndarray:
    return np.zeros(round(rate * seconds))


def _gamma(text: str) -> Make:
    variation = _number(text, above=0)
    return lambda rate, seconds, seed: schedules.gamma(rate, seconds, seed, variation)


def _ramp(text: str) -> Make:
    last = _number(text)
    return lambda rate, seconds, seed: schedules.ramp(rate, last, seconds, seed)


def _step(text: str) -> Make:
    more = [_number(part) for part in text.split(",")]
    return lambda rate, seconds, seed: schedules.step([rate, *more], seconds, seed)


def _spike(text: str) -> Make:
    factor = _number(text)
    return lambda rate, seconds, seed: schedules.spike(rate, factor, seconds, seed)


def _diurnal(text: str) -> Make:
    depth = _number(text)
    if depth > 1:
        raise ValueError("expected a share from 0 to 1")
    return lambda rate, seconds, seed: schedules.diurnal(rate, depth, seconds, seed)


def _replay(text: str) -> Make:
    offsets = read_trace(Path(text)).offsets
    return lambda _rate, seconds, _seed: offsets[offsets < seconds]


def _closed(rate: float, seconds: float, _seed: int) -> np.ndarray:
    """No moment is known beforehand but the last: what is asked has its own in the records."""
    return np.full(round(rate * seconds), seconds)


def _together(text: str) -> Make:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"expected a whole number from 1, found {text!r}")
    requests = int(text)
    return lambda rate, seconds, _: np.full(round(rate * seconds / requests) * requests, seconds)


ARRIVALS = {
    "constant": _plain(_constant),
    "poisson": _plain(schedules.poisson),
    "server": _plain(schedules.poisson),
    "offline": _plain(_offline),
    "gamma": Arrivals("VARIATION of the gaps: 1 is poisson, 3 comes in bursts", _gamma),
    "ramp": Arrivals("RATE at the end", _ramp),
    "step": Arrivals("RATE,RATE,... after the first", _step),
    "spike": Arrivals("FACTOR in the middle tenth", _spike),
    "diurnal": Arrivals("DEPTH of the wave, a share of the rate", _diurnal),
    "replay": Arrivals("FILE: a CSV file of timestamps and sizes", _replay),
    "single-stream": _plain(_closed),
    "multi-stream": Arrivals("REQUESTS of a query, asked together: 8 in MLPerf", _together),
}
"""By name. Those of MLPerf are `server`, as `poisson`; `offline`, all at the start; and two closed
loops, `single-stream` and `multi-stream`, whose rate is the most that they ask on the whole."""

CLOSED: Mapping[str, float] = {"single-stream": 90.0, "multi-stream": 99.0}
"""The closed loops, and the percentile that MLPerf reports of each."""


def arrivals_of(text: str) -> Make:
    """Return what makes the offsets for such as `poisson` or `gamma:2`.

    Raises:
        PlanError: says what was expected.
    """
    name, colon, parameter = text.partition(":")
    known = ARRIVALS.get(name)
    if known is None:
        raise PlanError(f"arrivals: expected one of {', '.join(ARRIVALS)}, found {name!r}")
    if bool(colon) != bool(known.parameter):
        form = f"{name}:{known.parameter}" if known.parameter else f"{name} alone"
        raise PlanError(f"arrivals: expected {form}, found {text!r}")
    try:
        return known.make(parameter)
    except (OSError, ValueError) as error:
        raise PlanError(f"arrivals: {text}: {error}") from None


def _number(text: str, above: float | None = None) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"expected a number, found {text!r}") from None
    if not 0 <= value < float("inf") or (above is not None and value <= above):
        limits = "from 0" if above is None else f"above {above:g}"
        raise ValueError(f"expected a number {limits}, found {text!r}")
    return value


def shares(offsets: Sequence[float] | np.ndarray, worker: int, workers: int) -> np.ndarray:
    """Which requests one of several workers sends: every so manyeth, so that together it is all."""
    return np.arange(worker, len(offsets), workers)
