"""Short open-loop runs one after the other in one process: what searches and comparisons need."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import gevent
import numpy as np

from servespec.target.manifest import load

from ..calibration.measuring import Calibration, calibrate
from ..judging.gates import Run, beyond_reach
from ..sending.access import Access
from ..sending.generator import Generator
from ..sending.pacer import CLOCK
from ..sending.plan import Plan, PlanError
from ..sending.planes import Endpoint, senders
from ..sending.records import Fate
from ..sending.template import Template
from ..sending.workloads import workload_of
from .saturation import Saturation, Watched

__all__ = ["calibrated", "drive", "drive_until_drowned", "endpoint_of", "warm_up"]

_LEAD_SECONDS = 0.05
_LOOK_SECONDS = 0.2


def endpoint_of(text: str, plane: str, template: Template | None = None) -> Endpoint:
    """Where an address, or the target file of a server that runs, leads to.

    Args:
        text: an address; a target file; or both, `FILE@ADDRESS`, of which the address counts.
        plane: what is spoken there.
        template: how, on the plane `json`.

    Raises:
        PlanError: the file names no address on that plane.
        ManifestError: there is a mistake in it.
    """
    name, _, address = text.rpartition("@") if ".toml@" in text else (text, "", "")
    file = Path(name)
    if file.suffix != ".toml":
        return Endpoint(plane, text, template=template)
    target = load(file).target
    address = address or (target.grpc if plane == "grpc" else target.rest) or ""
    if not address:
        raise PlanError(f"{file}: expected the address of a running server, found none for {plane}")
    return Endpoint(plane, address, Access.of(file), template)


def calibrated(plan: Plan, endpoint: Endpoint) -> Calibration:
    """What this process itself takes at the plan's rate.

    Raises:
        PlanError: that rate is beyond its reach.
    """
    questions = workload_of(plan.workload, plan.seed).questions
    found = calibrate(plan, endpoint, questions, plan.rate)
    if beyond := beyond_reach([found.to_dict()]):
        raise PlanError(f"rate: {beyond}, and this command is one")
    return found


def warm_up(plan: Plan, endpoint: Endpoint) -> None:
    """Ask for a second at most, so that nobody is measured cold.

    Raises:
        PlanError: no answer came.
    """
    run = drive(replace(plan, seconds=min(plan.seconds, 1.0)), endpoint)
    counts = run.records.counts()
    if not counts[Fate.ANSWERED]:
        fates = ", ".join(f"{count} {fate.name.lower()}" for fate, count in counts.items() if count)
        asked = f"to the workload {plan.workload}"
        raise PlanError(f"{endpoint.address}: expected right answers, found {fates} {asked}")


def drive(plan: Plan, endpoint: Endpoint) -> Run:
    """Send a plan and wait for the last answers."""
    return _driven(plan, endpoint, lambda generator: generator.run(_beginning(), plan.timeout))


def drive_until_drowned(plan: Plan, endpoint: Endpoint, bound: float) -> Watched:
    """The same, but stop as soon as it is plain that the server falls behind for good.

    Args:
        plan: what is sent.
        endpoint: where.
        bound: seconds that no request should be under way.
    """
    saturation = Saturation(bound)

    def run(generator: Generator) -> None:
        begun = _beginning()
        driving = gevent.spawn(generator.run, begun, plan.timeout)
        while not driving.ready():
            driving.join(_LOOK_SECONDS)
            if saturation.look(CLOCK() - begun, generator.records):
                break
        driving.kill()
        driving.get()

    return Watched(_driven(plan, endpoint, run), saturation.drowned)


def _beginning() -> float:
    return CLOCK() + _LEAD_SECONDS


def _driven(plan: Plan, endpoint: Endpoint, run: Callable[[Generator], None]) -> Run:
    plan.must_be_shared(1)
    offsets = plan.offsets()
    workload = workload_of(plan.workload, plan.seed)
    choice = workload.choice(len(offsets), plan.seed).tolist()
    with ExitStack() as opened:
        sender = senders(endpoint, workload.questions, choice, plan.timeout, opened)
        numbers = np.arange(len(offsets))
        generator = Generator(numbers, offsets, sender, plan.in_flight, lambda _row: None)
        cpu = time.process_time()
        run(generator)
        cpu = time.process_time() - cpu
    return Run(plan, generator.records, [], generator.area, [], cpu)
