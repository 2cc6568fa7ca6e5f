"""Is the capacity that is found the one that there is?

    python -m benchmarks.knee_accuracy [--rounds 2] [--weights DIR]

A text encoder (MiniLM-L6, sentences of real lengths) on the reference server, without batching, on
one core; the load on the other. The search of `servespec capacity` looks for the open-loop rate
that meets a loose objective. Just before each of its steps callers in a closed loop keep the same
server saturated: what they get is what there is to be had at that moment, and the step's rate is a
share of it. So the share that is found says how far the capacity is from the truth, whatever the
machine's speed does meanwhile.
"""

import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx

from loadtests.commands import begin_patched
from loadtests.comparing.knee import Step, bound_of, search_steps, seconds_for, step_of, until_told
from loadtests.sending.plan import Plan
from servespec.stats.capacity import Search
from servespec.target.objective import Objective
from servespec.verdicts.verdict import Verdict

from .contenders import READY_SECONDS, ROOT, reference, running
from .minilm import build_minilm
from .rounds import options_of, take_load_core

OBJECTIVE = Objective.parse("p90 < 1s")
SEARCH = Search(first=0.6, lowest=0.1, highest=1.5, resolution=0.05, repeats=1)
BURST_SECONDS = 2.0
ATTEMPTS = 3
AIM = 0.15


def main() -> int:
    """Measure and print; return 0 where each round is within the aim."""
    parser = options_of(__doc__, seconds=6.0)
    parser.add_argument("--weights", type=Path, default=Path(".servespec/weights"), metavar="DIR")
    options = parser.parse_args()
    take_load_core()
    with tempfile.TemporaryDirectory() as folder:
        build_minilm(Path(folder, "models"), options.weights)
        server = reference("rest", Path(folder, "models"))
        with running(server):
            _until_ready(f"http://{server.address}/v2/health/ready")
            found = [
                _share(server.address, options.seconds, 1 + 100 * number)
                for number in range(options.rounds)
            ]
    told = ", ".join(f"{share:.2f}" for share in found)
    sys.stdout.write(f"capacity for {OBJECTIVE} over the saturated rate: {told}; aim 1 +- {AIM}\n")
    return 0 if all(abs(share - 1) <= AIM for share in found) else 1


def _until_ready(url: str) -> None:
    end = time.monotonic() + READY_SECONDS
    while httpx.get(url).status_code != httpx.codes.OK:
        if time.monotonic() > end:
            raise TimeoutError(f"{url} is not ready")
        time.sleep(0.1)


def _share(address: str, seconds: float, seed: int) -> float:
    """The highest share of the saturated rate that meets the objective; 0 where none does."""
    plan = Plan(seconds=seconds, workload="sentences")

    def offer(share: float, number: int) -> Step:
        return until_told(partial(_valid, replace(plan, seed=seed + number), address, share))

    _, capacity = search_steps(SEARCH, offer)
    sys.stdout.write(f"met at {capacity.rate}, missed at {capacity.missed}\n")
    sys.stdout.flush()
    return capacity.rate or 0.0


def _valid(plan: Plan, address: str, share: float, longer: int) -> Step:
    """A step, measured anew where the generator spoilt it.

    Raises:
        RuntimeError: it always did.
    """
    steps = (_once(plan, address, share, longer) for _ in range(ATTEMPTS))
    valid = next((step for step in steps if step.verdict is not Verdict.INVALID), None)
    if valid is None:
        raise RuntimeError(f"the generator could not keep up {ATTEMPTS} times")
    return valid


def _once(plan: Plan, address: str, share: float, longer: int) -> Step:
    """One step, behind a burst that says what there is; its rate is shown as a share of that."""
    from loadtests.comparing.blocks import drive_until_drowned, endpoint_of

    rate = share * _saturated(address)
    seconds = longer * seconds_for([OBJECTIVE], rate, plan.seconds)
    asked, endpoint = (
        replace(plan, rate=rate, seconds=seconds),
        endpoint_of(f"http://{address}", "rest"),
    )
    step = step_of(drive_until_drowned(asked, endpoint, bound_of([OBJECTIVE])), [OBJECTIVE])
    sys.stdout.write(f"  {share:.2f} of {rate / share:.1f}/s: {step.verdict}, {step.sentence}\n")
    sys.stdout.flush()
    return replace(step, rate=share)


def _saturated(address: str) -> float:
    """Answers a second to callers who never pause."""
    command = [sys.executable, "-m", "benchmarks.saturated", address, str(BURST_SECONDS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=60)
    return float(done.stdout)


if __name__ == "__main__":
    assert __spec__ is not None
    begin_patched(__spec__.name)
    sys.exit(main())
