"""The judging again and again: a verdict that depends on luck shows itself.

`python -m conformance.tests.repeat --target FILE [--times 20] [--profile NAME]`; exit code 1 when
a run is not clean.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from servespec.verdicts.store import read
from servespec.verdicts.summary import headline

RUN_SECONDS = 600.0


def main() -> int:
    """Judges N times; prints each run's exit code, seconds and verdict."""
    given = _parser().parse_args()
    codes = [_run(number, given.target, given.profile) for number in range(1, given.times + 1)]
    _say(f"{codes.count(0)} of {given.times} runs are clean")
    return 1 if any(codes) else 0


def _run(number: int, target: str, profiles: list[str]) -> int:
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "servespec", "certify", "--target", target]
        command += ["--only", "conformance", "--report-dir", folder]
        command += [word for name in profiles for word in ("--profile", name)]
        began = time.monotonic()
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=RUN_SECONDS, check=False
        )
        seconds = time.monotonic() - began
        reports = list(Path(folder).glob("*/report.json"))
        verdict = headline(read(reports[0])) if reports else done.stderr.strip()
        _say(f"{number:3}  exit code {done.returncode}  {seconds:5.1f} s  {verdict}")
        if done.returncode:
            _say(done.stdout)
        return done.returncode


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("repeat", description=__doc__)
    parser.add_argument("--target", required=True, metavar="FILE")
    parser.add_argument("--times", type=int, default=20, metavar="N")
    parser.add_argument("--profile", action="append", default=[], metavar="NAME")
    return parser


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
