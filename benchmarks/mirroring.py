"""Does a shadow cost those who never hear of it anything?

    python -m benchmarks.mirroring [--rounds 16] [--seconds 1.5]

The fixture `shadowed`, 200 requests a second in an open loop, in turn mirrored (no version is
named) and not (version 1 is), while its shadow sleeps for a second at each request, fails at
each, or has an engine that dies of what it gets. Beside it the same twice without the mirror:
what two measurements of one thing differ by here. Answers are compared byte by byte. The server
runs on one core, the load on the other. Exit code 1 where the p99 with the mirror is
significantly above 1.05 of that without, where the upper bound of the ratio is not below 1.2, or
where an answer differs.
"""

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from servespec.fixtures import build
from servespec.stats.compare import Comparison, compare_percentiles
from servespec.target.defects import DefectSwitch
from servespec.target.exchange import Exchange
from servespec.target.process import free_port
from servespec.target.traffic import Outcome, Question, constant, drive

from .batching import Served, serving, tensor
from .contenders import reference
from .rounds import options_of, take_load_core

RATE = 200.0
ALPHA = 0.05
MARGIN, BOUND = 1.05, 1.2
MODEL = "shadowed"


@dataclass(frozen=True, slots=True)
class Shadow:
    """What a shadow does, and how it is brought to it: a defect, or what is asked for."""

    does: str
    defect: str | None
    iterations: int


SHADOWS = (
    Shadow("sleeps", "shadow-sleeps", 0),
    Shadow("fails", None, -1),
    Shadow("dies", "shadow-dies", 0),
)


def main() -> int:
    """Measure and print; return the exit code."""
    parser = options_of(__doc__, seconds=1.5)
    parser.set_defaults(rounds=16)
    options = parser.parse_args()
    take_load_core()
    with tempfile.TemporaryDirectory() as folder:
        found = [*compared(Path(folder), options.rounds, options.seconds)]
    return 0 if all(found) else 1


def compared(folder: Path, rounds: int, seconds: float) -> Iterator[bool]:
    """Measure beside each kind of shadow; whether it keeps what is aimed at."""
    build(folder, [MODEL])
    port = free_port()
    contender = reference("rest", folder, "--defects-port", str(port))
    with serving(contender) as served:
        switch = DefectSwitch(f"http://127.0.0.1:{port}")
        for shadow in SHADOWS:
            switch.set(*filter(None, [shadow.defect]))
            yield beside(served, shadow, rounds, seconds)
            switch.set()


def beside(served: Served, shadow: Shadow, rounds: int, seconds: float) -> bool:
    """Measure without, with and without the mirror, in turn; print what it comes to."""
    expected = served.target.rest.infer(MODEL, body_of(shadow), version="1").must_succeed().body
    times: dict[str, list[np.ndarray]] = {"without": [], "with": [], "again": []}
    for number in range(rounds):
        arms = list(times) if number % 2 else [*reversed(times)]
        for arm in arms:
            version = None if arm == "with" else "1"
            times[arm].append(taken(served, shadow, expected, version, seconds))
    mirrored = compare(times["without"], times["with"])
    same = compare(times["without"], times["again"])
    answers = sum(map(len, times["with"]))
    tell(f"a shadow that {shadow.does}: p99 with over without, {answers} answers", mirrored)
    tell("  without over without", same)
    if min(same.slower, same.faster) < ALPHA:
        sys.stdout.write("  the machine was not quiet: two measurements of one thing differ\n")
    return mirrored.slower >= ALPHA and mirrored.interval.high < BOUND


def body_of(shadow: Shadow) -> dict[str, object]:
    """A request whose answer is the same each time."""
    x = tensor("iterations", "INT64", [1, 1], [shadow.iterations])
    return {"id": "same", "inputs": [x], "outputs": [{"name": "y"}]}


def taken(
    served: Served, shadow: Shadow, expected: bytes, version: str | None, seconds: float
) -> np.ndarray:
    """The seconds of each answer, from the moment at which it should have been asked for.

    Raises:
        RuntimeError: a request was not answered, or an answer is another one.
    """
    body = body_of(shadow)
    message = served.target.rest.message(MODEL, body, version=version)

    def accept(exchange: Exchange) -> str | None:
        return None if exchange.body == expected else f"answered {exchange.body[:200]!r}"

    schedule = constant(RATE, seconds)
    ledger = drive(served.target.rest, schedule, lambda k: Question(str(k), message, accept))
    wrong = [row for row in ledger.rows if row.outcome is not Outcome.ANSWERED]
    if wrong:
        raise RuntimeError(f"{len(wrong)} of {len(ledger.rows)}; the first: {wrong[0].detail}")
    return np.array([row.done - row.intended for row in ledger.rows])


def compare(a: list[np.ndarray], b: list[np.ndarray]) -> Comparison:
    """The ratio of the p99 of B to that of A."""
    return compare_percentiles(a, b, 99.0, alpha=ALPHA, margin=MARGIN)


def tell(what: str, found: Comparison) -> None:
    """Print a ratio with its interval."""
    low, high = found.interval.low, found.interval.high
    chance = f"above {MARGIN:g} by chance: {found.slower:.2g}"
    sys.stdout.write(f"{what:64} {found.ratio:.3f} ({low:.3f}-{high:.3f} at 95 %)  {chance}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
