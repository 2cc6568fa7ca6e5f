"""How fast is the reference server, beside the least that any server has to do?

    python -m benchmarks.serving [--rounds 5] [--seconds 5] [--plane rest] [--peer NAME=HOST:PORT]

Serves the digits classifier, one row FP32 [1,64], to 16 closed-loop callers. Servers run on one
core, the load on another. The rounds go through all servers in turn, and a ratio compares two
servers within one round. README.md says how to read the table.
"""

import argparse
import contextlib
import importlib.util
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from servespec.fixtures import build

from .contenders import SERVER_CORE, Contender, contenders, running
from .rounds import LOAD_CORE, Sample, measure


def main() -> int:
    """Measure and print; return the exit code."""
    options = read_options()
    if problem := _missing(options.plane):
        sys.stderr.write(f"benchmarks.serving: {problem}\n")
        return 2
    busy = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder) / "models"
        build(models, ["digits_fp32"])
        asked = [
            each
            for each in (*contenders(models), *options.peer)
            if options.plane in ("both", each.plane)
        ]
        try:
            samples = play(asked, options.rounds, options.seconds, Path(folder))
        except (RuntimeError, TimeoutError, subprocess.TimeoutExpired) as error:
            sys.stderr.write(f"\nbenchmarks.serving: {error}\n")
            return 1
    sys.stdout.write(f"load average at the start: {busy:.1f}\n\n")
    for plane in ("rest", "grpc"):
        report(plane, {each: found for each, found in samples.items() if each.plane == plane})
    return 0


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=_count, default=5)
    parser.add_argument("--seconds", type=_count, default=5, help="of each round and server")
    parser.add_argument("--plane", choices=("rest", "grpc", "both"), default="both")
    parser.add_argument(
        "--peer",
        type=_peer,
        action="append",
        default=[],
        metavar="NAME=HOST:PORT",
        help="a running server that hosts digits_fp32 over REST, pinned by yourself",
    )
    return parser.parse_args()


def play(
    asked: Sequence[Contender], rounds: int, seconds: int, folder: Path
) -> Mapping[Contender, Sequence[Sample]]:
    """Start all servers, then measure each once a round; each round begins with another one."""
    samples: dict[Contender, list[Sample]] = {each: [] for each in asked}
    with contextlib.ExitStack() as stack:
        started = [(each, stack.enter_context(running(each))) for each in asked]
        for number in range(rounds):
            turn = number % len(started)
            for each, pid in started[turn:] + started[:turn]:
                sys.stderr.write(f"\rround {number + 1} of {rounds}: {each.name:30}")
                samples[each].append(measure(each, pid, seconds, folder))
    sys.stderr.write(f"\r{'':50}\r")
    return samples


def report(plane: str, samples: Mapping[Contender, Sequence[Sample]]) -> None:
    """Print a row for each server: medians, and the ratio to the first one with its range."""
    if not samples:
        return
    ceiling = next(iter(samples.values()))
    head = f"{plane.upper():24}{'answers/s':>12}{'of ceiling':>12}{'min-max':>14}{'CPU us':>9}"
    sys.stdout.write(f"{head}\n")
    for contender, found in samples.items():
        ratios = [one.rate / best.rate for one, best in zip(found, ceiling, strict=True)]
        rate = statistics.median(sample.rate for sample in found)
        spread = f"{min(ratios):.2f}-{max(ratios):.2f}"
        times = [sample.cpu for sample in found if sample.cpu is not None]
        cpu = f"{statistics.median(times):9.0f}" if times else f"{'-':>9}"
        ratio = statistics.median(ratios)
        sys.stdout.write(f"{contender.name:24}{rate:12,.0f}{ratio:12.2f}{spread:>14}{cpu}\n")
    sys.stdout.write("\n")


def _missing(plane: str) -> str | None:
    if plane != "grpc" and shutil.which("wrk") is None:
        return "wrk is not installed: expected it in PATH"
    if plane != "grpc" and not importlib.util.find_spec("uvicorn"):
        return "uvicorn is not installed: expected servespec[bench]"
    if {SERVER_CORE, LOAD_CORE} - os.sched_getaffinity(0):
        return f"cores {SERVER_CORE} and {LOAD_CORE} are not both to be had"
    return None


def _count(text: str) -> int:
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, not {text!r}")
    return int(text)


def _peer(text: str) -> Contender:
    name, _, address = text.partition("=")
    if not (name and address.rpartition(":")[2].isdecimal()):
        raise argparse.ArgumentTypeError(f"expected NAME=HOST:PORT, not {text!r}")
    return Contender(name, "rest", address)


if __name__ == "__main__":
    sys.exit(main())
