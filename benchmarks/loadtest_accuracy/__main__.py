"""What load generators report of planted latencies, against the server's own log of the same run.

    python -m benchmarks.loadtest_accuracy [--plans constant,stall] [--plane rest] [--seconds 6]

The server runs on one core, the generators on the other, one after the other, each against a server
of its own with the same draws. `truth` says what the truth is, `callers` who is compared.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from servespec.stats.percentiles import percentile
from servespec.target.schedules import constant

from ..contenders import ROOT
from ..rounds import LOAD_CORE, options_of
from .callers import CALLERS, PERCENTS, Caller, Job, Times, found, on_core, served
from .plans import PLANS
from .table import Sample, rows, verdicts
from .truth import Log, response_seconds


def main() -> None:
    """Measure, and print a table for each plan."""
    given = _given()
    asked = [caller for caller in CALLERS if given.plane in ("both", caller.plane)]
    programs = {caller: found(caller, given.tools) for caller in asked}
    for caller, program in programs.items():
        if program is None:
            sys.stdout.write(f"{caller.name}: left out, no {caller.program} in PATH or --tools\n")
    there = [(caller, program) for caller, program in programs.items() if program]
    sys.stdout.write(f"load average at the start: {os.getloadavg()[0]:.1f}\n")
    for plan in given.plans:
        samples = [sample for n in range(given.rounds) for sample in _round(plan, n, there, given)]
        lines = [f"\n{plan}, {given.rate:g}/s for {given.seconds:g} s, {given.rounds} rounds"]
        lines += [*rows(samples), "", *verdicts(samples)]
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()


def _given() -> argparse.Namespace:
    parser = options_of(__doc__ or "", 6)
    parser.set_defaults(rounds=1)
    parser.add_argument("--plans", type=_plans, default=list(PLANS), help="with commas between")
    parser.add_argument("--plane", choices=("rest", "grpc", "both"), default="both")
    parser.add_argument("--rate", type=float, default=400.0)
    parser.add_argument("--tools", type=Path, default=ROOT / ".tools", help="where else they are")
    return parser.parse_args()


def _plans(text: str) -> list[str]:
    if unknown := set(text.split(",")) - set(PLANS):
        raise argparse.ArgumentTypeError(f"expected some of {', '.join(PLANS)}, found {unknown}")
    return text.split(",")


def _round(
    plan: str, number: int, there: Sequence[tuple[Caller, str]], given: argparse.Namespace
) -> Iterator[Sample]:
    """Everybody once, each round beginning with another one; in the order of `there`."""
    turn = number % len(there)
    bare = _bare(number, given)
    taken = {}
    for caller, program in [*there[turn:], *there[:turn]]:
        sys.stderr.write(f"\r{plan}, round {number + 1}: {caller.name:30}")
        try:
            with tempfile.TemporaryDirectory() as folder:
                job = Job("", given.rate, given.seconds, Path(folder), LOAD_CORE)
                told, log = _run(caller, program, job, (plan, number))
            taken[caller] = _sample(caller, job, told, log, bare)
        except (OSError, ValueError, LookupError, subprocess.TimeoutExpired) as error:
            sys.stdout.write(f"\r{plan}: {caller.name} told nothing: {error!r}\n")
    sys.stderr.write(f"\r{'':60}\r")
    return (taken[caller] for caller, _ in there if caller in taken)


def _bare(number: int, given: argparse.Namespace) -> Times:
    with tempfile.TemporaryDirectory() as folder:
        job = Job("", given.rate, given.seconds, Path(folder), LOAD_CORE)
        words = ["loadtests.calibration.bare_loop", str(job.rate), str(job.seconds), str(number)]
        late = json.loads(on_core([sys.executable, "-m", *words], job))
    return [percentile(late, percent) for percent in PERCENTS]


def _run(caller: Caller, program: str, job: Job, draw: tuple[str, int]) -> tuple[Times, Log]:
    """What a generator told of a plan and its seed, and the server's log of that.

    Raises:
        ValueError: it told nothing; says what it printed.
    """
    file = job.folder / "log.npz"
    words = [caller.plane, *map(str, draw), str(file)]
    with served(f"{__package__}.planted", *words) as address:
        told = caller.ask(program, replace(job, address=address))
    if len(told) != len(PERCENTS):
        raise ValueError((job.folder / "printed").read_text(errors="replace")[-300:])
    return told, Log.read(file)


def _sample(caller: Caller, job: Job, told: Times, log: Log, bare: Times) -> Sample:
    rate = job.rate if caller.keeps_rate else log.rate()
    seen = response_seconds(log, constant(rate, log.span() + 1 / rate))
    truth = [percentile(seen, percent) for percent in PERCENTS]
    return Sample(caller.name, truth, told, bare, len(log.arrived) / job.count)


if __name__ == "__main__":
    main()
