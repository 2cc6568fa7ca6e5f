"""Fuzz the reference server, as a process of its own: `make fuzz`.

`python -m conformance.fuzzing --requests 100000 --seed 1`: the requests are spread over the parts,
and the codecs are run ten times as often besides. Exit code 1 where anything is wrong.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from . import bodies, openapi, planes
from .served import Served, serving
from .tally import ROUND, Failure, Tally

ROOT = Path(__file__).parents[2]
OPENAPI = ROOT / "docs/reference/openapi.json"
TARGET = ROOT / "conformance/targets/reference/target.toml"
SHARES = {"rest": 0.45, "bytes": 0.15, "grpc": 0.25, "openapi": 0.15}
"""Of the requests: JSON and binary bodies; bytes to a bare connection; gRPC; the OpenAPI file."""
CODECS, RUNS = "codecs", 10
"""No requests: as many runs for each."""

Part = tuple[st.SearchStrategy[Any], Callable[[Any], str]]


def main() -> int:
    """Run the parts; print the counts, and what is wrong."""
    given = _parser().parse_args()
    parts = given.part or [*SHARES, CODECS]
    began = time.monotonic()
    tally = Tally(began + given.seconds)
    shares = _spread(given.requests, [part for part in parts if part in SHARES])
    if shares:
        with serving(given.target) as served:
            _fuzz(served, tally, shares, given)
            sizes = [f"{size >> 20} MiB" for size in (served.warm, served.memory, served.peak)]
        _say("memory of the server: {} when warm, {} at the end, {} at most".format(*sizes))
    runs = {CODECS: given.requests * RUNS} if CODECS in parts else {}
    for count in runs.values():
        _fuzz_codecs(tally, count, given.seed)
    return _verdict(tally, {**shares, **runs}, began)


def _fuzz(
    served: Served, tally: Tally, shares: Mapping[str, int], given: argparse.Namespace
) -> None:
    """A round of each part first, for the memory to be compared with; then the rest."""
    target = served.target
    known: dict[str, Callable[[], Part]] = {
        "rest": lambda: (bodies.shots, partial(planes.shoot_rest, target)),
        "bytes": lambda: (planes.scripts, partial(planes.shoot_bytes, target)),
        "grpc": lambda: (planes.calls, partial(planes.shoot_call, target)),
        "openapi": lambda: (openapi.cases(given.openapi), openapi.shooter(target)),
    }
    made = {part: known[part]() for part in shares}
    for most in (ROUND, given.requests):
        for part, count in shares.items():
            strategy, shoot = made[part]
            most_now, well = min(most, count), served.must_be_well
            tally.fill(part, most_now, strategy, shoot, first=given.seed, after=well)
        served.warm = served.warm or served.memory


def _spread(requests: int, parts: Sequence[str]) -> dict[str, int]:
    """How many requests each part makes."""
    whole = sum(SHARES[part] for part in parts)
    counts = {part: round(requests * SHARES[part] / whole) for part in parts}
    if parts:
        counts[parts[0]] += requests - sum(counts.values())
    return counts


def _fuzz_codecs(tally: Tally, runs: int, seed: int) -> None:
    """In a process of its own, which libFuzzer ends."""
    left = max(1, round(tally.deadline - time.monotonic()))
    with tempfile.TemporaryDirectory() as folder:
        corpus, crashes = Path(folder, "corpus"), Path(folder, "crashes")
        corpus.mkdir()
        crashes.mkdir()
        limits = [f"-runs={runs}", f"-seed={seed}", f"-max_total_time={left}", "-max_len=4096"]
        limits += ["-timeout=10", "-rss_limit_mb=2048", f"-artifact_prefix={crashes}/"]
        done = subprocess.run(
            [sys.executable, "-m", f"{__package__}.codecs", corpus, *limits],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False,
        )  # fmt: skip
        found = [file.read_bytes() for file in crashes.iterdir()]
    tally.statuses[CODECS] = Counter(runs=_runs(done.stderr))
    if done.returncode:
        last = "; ".join(done.stderr.strip().splitlines()[-3:])
        tally.failures.append(Failure(CODECS, seed, last, b"".join(found)))


def _runs(printed: str) -> int:
    """How often it ran: what libFuzzer says in the end."""
    said = re.search(r"Done (\d+) (?:runs|in)|#(\d+)\s+DONE", printed)
    return int(said[1] or said[2]) if said else 0


def _verdict(tally: Tally, wanted: Mapping[str, int], began: float) -> int:
    asked = sum(tally.asked(part) for part in wanted if part != CODECS)
    for part in wanted:
        counts = ", ".join(f"{n} {status}" for status, n in sorted(tally.statuses[part].items()))
        _say(f"{part}: {counts}")
    for failure in tally.failures:
        again = f"--part {failure.part} --seed {failure.seed} --requests {ROUND}"
        _say(f"WRONG ({again}): {failure.sentence}\n  {failure.request[:2000]!r}")
    short = [part for part, count in wanted.items() if tally.asked(part) < count]
    if short:
        _say(f"NOT COMPLETE: {', '.join(short)}: there was no time left, or enough was wrong")
    minutes = (time.monotonic() - began) / 60
    _say(f"fuzz: {asked} requests in {minutes:.1f} minutes, {len(tally.failures)} wrong")
    return 1 if tally.failures or short else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("fuzz", description=__doc__)
    parser.add_argument("--target", type=Path, default=TARGET, metavar="FILE")
    parser.add_argument("--openapi", type=Path, default=OPENAPI, metavar="FILE")
    parser.add_argument("--requests", type=int, default=100_000, metavar="N")
    parser.add_argument("--seconds", type=float, default=3600.0, metavar="S")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--part", action="append", choices=[*SHARES, CODECS])
    return parser


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
