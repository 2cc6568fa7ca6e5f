"""A model update that is slower: whether anybody can tell."""

import json
import shlex
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from servespec.loading import LoadTest
from servespec.target.evidence import Evidence, Statistic
from servespec.target.outcomes import Inconclusive, Invalid, Nonconformance
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from .loaded import MODEL, needs_the_extra, rate_of, seconds_of

SHARE = 0.5
"""Of the rate of other load tests: what waits would blur the difference."""
BLOCKS = 20
"""Of so many parts of a load test one is a block."""
FEWEST = 10
"""Requests of a block."""
PATIENCE = 60.0


@requirement("LOAD-013", kind="saturating", fixtures=[MODEL])
def test_an_update_that_takes_a_fifth_longer_is_told_from_the_one_before(
    target: Target, load_test: LoadTest
) -> None:
    """A team that ships a slower model learns it from the comparison, not from its users."""
    needs_the_extra()
    rate = SHARE * rate_of(target)
    seconds = max(seconds_of(target) / BLOCKS, FEWEST / rate)
    report = _compared(target, load_test, rate, seconds)

    if report["spoilt"]:
        raise Invalid("; ".join(report["spoilt"]))
    for change in report["changes"]:
        target.measured(_statistic(change, report["rounds"]))
    seen = {f"p{change['percent']:g}": change["verdict"] for change in report["changes"]}
    text = ", ".join(f"{name} {verdict}" for name, verdict in seen.items())
    if "FAIL" in seen.values():
        return
    if seen["p50"] == "PASS":
        raise Nonconformance(f"an update that takes a fifth longer is not seen: {text}")
    raise Inconclusive(f"{report['rounds']} rounds do not tell: {text}")


def _compared(
    target: Target, load_test: LoadTest, rate: float, seconds: float
) -> Mapping[str, Any]:
    """In a process of its own, for gevent."""
    words = [*load_test.words, f"--rate={rate:.3f}", f"--seconds={seconds:g}"]
    command = [sys.executable, "-m", f"{__package__}.planted", *words]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=50 * seconds + PATIENCE, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{shlex.join(command)}: {done.stderr}")
    report: Mapping[str, Any] = json.loads(done.stdout)
    said = f"{report['rounds']} rounds at {rate:.4g} requests a second: {report['verdict']}"
    target.note(Evidence(said, "", done.stderr, shlex.join(["python", *command[1:]])))
    return report


def _statistic(change: Mapping[str, Any], rounds: int) -> Statistic:
    compared = change["comparison"]
    name, within = f"slower to before, p{change['percent']:g}", compared["interval"]
    return Statistic(name, "", compared["ratio"], within["low"], within["high"], rounds, 0.99)
