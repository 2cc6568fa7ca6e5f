"""What does a cache gain, and what does a hit cost?

    python -m benchmarks.caching [--rounds 3] [--seconds 5]

Two questions. A single caller whose request was answered before, by a model that computes for about
10 ms: how long does a hit take beside an uncached `identity_fp32` with a body of the same size? And
32 callers of whose requests 90 % repeat one of a few: the throughput with the cache and without it.
Every answer is compared with the one that is due. Servers run on one core, the load on the other.
"""

import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from servespec.fixtures import build

from .batching import CALLERS, SPIN_SECONDS, Served, say, serving, tensor
from .callers import Ask, closed_loop
from .contenders import reference
from .rounds import options_of, take_load_core

CACHED = "cached_spin"
DUPLICATES = 0.9
HOT = 16
"""Requests that are repeated."""


def main() -> int:
    """Measure and print; return the exit code."""
    options = options_of(__doc__, seconds=5.0).parse_args()
    take_load_core()
    with tempfile.TemporaryDirectory() as folder:
        with_and_without(Path(folder), options.rounds, options.seconds)
    return 0


def with_and_without(folder: Path, rounds: int, seconds: float) -> None:
    """Compare a server that caches with one that does not, in turn."""
    cached, plain = folder / "cached", folder / "plain"
    for models in (cached, plain):
        build(models, [CACHED, "identity_fp32"])
    (plain / CACHED / "model.toml").unlink()
    hits, gains = [], []
    with (
        serving(reference("rest", cached)) as with_it,
        serving(reference("rest", plain)) as without,
    ):
        length = calibrated(without)
        for number in range(rounds):
            hits.append(hit(with_it, length) / identity(with_it, length))
            rates = [
                closed_loop(each.address, mixed(each, length, number), CALLERS, seconds).rate
                for each in (with_it, without)
            ]
            gains.append(rates[0] / rates[1])
    say("a hit, one caller: median over that of identity_fp32", hits, "<= 1.3", "{:.2f}")
    say(f"{DUPLICATES:.0%} duplicates: throughput over that without", gains, ">= 5", "{:.1f}")


def calibrated(served: Served) -> int:
    """The iterations that take the wanted time."""
    loop = closed_loop(served.address, lambda _: spin(served, 200), 1, 1.0)
    return round(200 * SPIN_SECONDS / statistics.median(loop.seconds))


def spin(served: Served, iterations: int, number: int = 0) -> Ask:
    """A request of so many iterations, unlike those of other numbers."""
    due = [iterations, number % iterations]  # the longer row decides how long it takes
    x = tensor("iterations", "INT64", [2, 1], due)
    body = {"inputs": [x], "outputs": [{"name": "y"}], "parameters": {"number": number}}
    return Ask(served.target.rest.message(CACHED, body), lambda y: y == due)


def hit(served: Served, iterations: int) -> float:
    """The median seconds of a request that was answered before."""
    ask = spin(served, iterations)
    return statistics.median(closed_loop(served.address, lambda _: ask, 1, 1.0).seconds)


def identity(served: Served, iterations: int) -> float:
    """The median seconds of `identity_fp32` with a body as long as that of a hit."""
    wanted = len(spin(served, iterations).message)
    ask = echo(served, "")
    ask = echo(served, "p" * (wanted - len(ask.message)))
    if len(ask.message) != wanted:
        raise RuntimeError(f"a request of {len(ask.message)} bytes, expected {wanted}")
    return statistics.median(closed_loop(served.address, lambda _: ask, 1, 1.0).seconds)


def echo(served: Served, padding: str) -> Ask:
    """A request of `identity_fp32`, as long as need be."""
    x = tensor("x", "FP32", [1, 1], [1.0])
    body = {"inputs": [x], "parameters": {"padding": padding}}
    return Ask(served.target.rest.message("identity_fp32", body), lambda y: y == [1.0])


def mixed(served: Served, iterations: int, seed: int) -> Callable[[int], Ask]:
    """Requests of which most repeat one of a few; the others are asked once."""
    repeats = np.random.default_rng(seed).random(1_000_000) < DUPLICATES
    hot = [spin(served, iterations, number) for number in range(HOT)]
    fresh = iter(range(HOT + seed * 10**6, 2**31))

    def ask(number: int) -> Ask:
        if repeats[number % len(repeats)]:
            return hot[number % HOT]
        return spin(served, iterations, next(fresh))

    return ask


if __name__ == "__main__":
    sys.exit(main())
