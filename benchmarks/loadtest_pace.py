"""Does one core of the load generator keep 2,000 requests a second, and what does it take?

    python -m benchmarks.loadtest_pace [--rounds 5] [--seconds 5] [--rate 2000] [--plane rest]

The server does nothing and has a core of its own; the generator, a bare loop that only sleeps, and
stock Locust take turns on the other one. Ratios compare what was measured in the same round.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from servespec.stats.percentiles import percentile

from .loadtest_accuracy.callers import Job, load_report, on_core, served, stock_locust
from .rounds import LOAD_CORE, options_of

NULL_SERVER = "loadtests.calibration.null_server"
SENT = "sent in time, of what was wanted"
LATE = "late at p99, ms"
BARE = "bare loop: late at p99, ms"
COST = "CPU us a request"
STOCK = "stock Locust: CPU us a request"
STOCK_RATE = "stock Locust: requests a second"
LATER, COSTLIER = "late at p99, over the bare loop", "CPU a request, over stock Locust"
AIMS = {SENT: ">= 0.99", LATER: "<= 2", COSTLIER: "<= 1"}

Round = Mapping[str, float]
"""What was measured, by its name."""


def main() -> None:
    """Measure, and print a table for each plane."""
    given = _given()
    sys.stdout.write(f"load average at the start: {os.getloadavg()[0]:.1f}\n")
    for plane in ("rest", "grpc") if given.plane == "both" else (given.plane,):
        sys.stdout.write(f"\n{plane}, {given.rate:g}/s for {given.seconds:g} s\n")
        try:
            rounds = [_round(plane, number, given) for number in range(given.rounds)]
        except ValueError as error:
            sys.stdout.write(f"{error}\n")
            continue
        lines = [f"{'':44}{'median':>9}{'min-max':>18}{'aim':>9}"]
        lines += [_line(name, [each[name] for each in rounds]) for name in rounds[0]]
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()


def _given() -> argparse.Namespace:
    parser = options_of(__doc__ or "", 5)
    parser.set_defaults(rounds=5)
    parser.add_argument("--plane", choices=("rest", "grpc", "both"), default="both")
    parser.add_argument("--rate", type=float, default=2000.0)
    return parser.parse_args()


def _round(plane: str, number: int, given: argparse.Namespace) -> Round:
    """Everybody once, in one order and in the other."""
    sys.stderr.write(f"\r{plane}, round {number + 1} of {given.rounds}\r")
    turns: list[Callable[[Job], Round]] = [
        _bare,
        partial(_ours, plane=plane),
        *([_stock] if plane == "rest" else []),
    ]
    found: dict[str, float] = {}
    for turn in turns[:: -1 if number % 2 else 1]:
        with tempfile.TemporaryDirectory() as folder, served(NULL_SERVER, plane) as address:
            job = Job(address, given.rate, given.seconds, Path(folder), LOAD_CORE)
            found |= turn(job)
    found[LATER] = found[LATE] / found[BARE]
    if STOCK in found:
        found[COSTLIER] = found[COST] / found[STOCK]
    names = (SENT, LATER, COSTLIER, LATE, BARE, COST, STOCK, STOCK_RATE)
    return {name: found[name] for name in names if name in found}


def _bare(job: Job) -> Round:
    words = ["loadtests.calibration.bare_loop", str(job.rate), str(job.seconds), "1"]
    late = json.loads(on_core([sys.executable, "-m", *words], job))
    return {BARE: percentile(late, 99) * 1e3}


def _ours(job: Job, plane: str) -> Round:
    report = load_report(sys.executable, job, plane, "poisson")
    summary = report["summary"]
    lags = dict(zip((line["percent"] for line in summary["lines"]), summary["lags"], strict=True))
    sent = sum(moment["dispatched"] for moment in summary["moments"])
    return {
        SENT: sent / summary["requests"],
        LATE: lags[99.0] * 1e3,
        COST: report["cpu_microseconds"],
    }


def _stock(job: Job) -> Round:
    told = stock_locust(sys.executable, job)
    return {STOCK: told["cpu_microseconds"], STOCK_RATE: told["rate"]}


def _line(name: str, values: Sequence[float]) -> str:
    spread = f"{min(values):.4g} to {max(values):.4g}"
    return f"{name:44}{statistics.median(values):>9.4g}{spread:>18}{AIMS.get(name, ''):>9}"


if __name__ == "__main__":
    main()
