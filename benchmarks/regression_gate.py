"""Is a fifth more caught, and is the same left alone? The regression gate, many times over.

`python -m benchmarks.regression_gate --factor 1.2` counts the runs in which the server was called
slower; with `--factor 1` each of these is a false alarm.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from loadtests.commands import begin_patched
from loadtests.comparing.regression import Rule, interleaved, report_of
from loadtests.sending.plan import Plan
from loadtests.tests.scripted import scripted
from servespec.verdicts.verdict import Verdict

RULE = Rule(margin=1.05, alpha=0.01)


def main() -> None:
    """Compare a server with itself, its times multiplied, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--factor", type=float, default=1.2, help="1: nothing has changed")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--rate", type=float, default=400.0)
    parser.add_argument("--seconds", type=float, default=0.15, help="of a block")
    given = parser.parse_args()
    verdicts = Counter(_verdicts(given))
    told = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
    slower = verdicts[Verdict.FAIL]
    sys.stdout.write(f"x{given.factor:g}: slower in {slower} of {given.runs} runs ({told})\n")


def _verdicts(given: argparse.Namespace) -> Iterator[Verdict]:
    from loadtests.comparing.blocks import drive, endpoint_of

    with (
        tempfile.TemporaryDirectory() as folder,
        scripted(Path(folder) / "log") as address,
    ):
        endpoints = [endpoint_of(f"{address}/x{factor:g}", "rest") for factor in (1, given.factor)]
        drives = [partial(drive, endpoint=endpoint) for endpoint in endpoints]
        for number in range(given.runs):
            plan = Plan(rate=given.rate, seconds=given.seconds, seed=1 + number * given.rounds)
            runs = interleaved(plan, given.rounds, drives)
            report = report_of(("old", "new"), runs, RULE, {})
            sys.stderr.writelines(f"run {number}: {why}\n" for why in report.spoilt)
            yield report.verdict


if __name__ == "__main__":
    assert __spec__ is not None
    begin_patched(__spec__.name)
    main()
