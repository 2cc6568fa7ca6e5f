"""What the generator itself takes, measured before each run: against nothing, and at nothing."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from gevent import subprocess

from servespec.stats.percentiles import percentile
from servespec.target.schedules import poisson

from ..sending.generator import Generator
from ..sending.pacer import CLOCK
from ..sending.plan import Plan
from ..sending.planes import Endpoint, senders
from ..sending.workloads import Question

__all__ = ["Calibration", "calibrate"]

LONGEST, SHORTEST = 1.5, 0.3  # seconds of each measurement: a quarter of the run in between
PERCENTS = (50.0, 99.0, 99.9)
_LEAD = 0.1
_PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a worker showed at its share of the rate; seconds at the p50, p99 and p99.9.

    Attributes:
        rate: requests a second.
        bare: the lateness of a loop that only sleeps, in a process of its own.
        lag: the lateness of the generator, against a server that does nothing.
        response: what that server's answers took, from their intended moments.
        reached: requests a second that its loop would pass with a core to itself: by what these
            took of the processor in that thread, so that neither other processes nor gRPC's own
            threads nor that server count.
    """

    rate: float
    bare: Sequence[float]
    lag: Sequence[float]
    response: Sequence[float]
    reached: float

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        return asdict(self)


def calibrate(
    plan: Plan, endpoint: Endpoint, questions: Sequence[Question], rate: float
) -> Calibration:
    """Measure both with the same requests at the same rate."""
    seconds = min(LONGEST, max(SHORTEST, plan.seconds / 4))
    bare = json.loads(_output("bare_loop", str(rate), str(seconds), str(plan.seed)))
    with _null_server(endpoint) as null, ExitStack() as opened:
        offsets = poisson(rate, seconds, plan.seed)
        choice = [number % len(questions) for number in range(len(offsets))]
        well = [replace(question, poisoned=False) for question in questions]
        sender = senders(null, well, choice, plan.timeout, opened)
        numbers = np.arange(len(offsets))
        generator = Generator(numbers, offsets, sender, plan.in_flight, lambda _row: None)
        busy = time.thread_time()
        generator.run(CLOCK() + _LEAD, plan.timeout)
        busy = time.thread_time() - busy
    records, lag = generator.records, generator.records.lag_seconds()
    return Calibration(
        rate, _percentiles(bare), _percentiles(lag), _percentiles(records.response_seconds()),
        reached=len(lag) / busy,
    )  # fmt: skip


def _percentiles(seconds: Sequence[float] | np.ndarray) -> Sequence[float]:
    return [percentile(seconds, percent) for percent in PERCENTS] if len(seconds) else []


def _command(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"{__package__}.{module}", *arguments]


def _output(module: str, *arguments: str) -> str:
    done = subprocess.run(
        _command(module, *arguments), stdout=subprocess.PIPE, check=True, timeout=_PATIENCE
    )
    return str(done.stdout.decode())


@contextmanager
def _null_server(endpoint: Endpoint) -> Iterator[Endpoint]:
    command = _command("null_server", endpoint.plane)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            plain = replace(endpoint.access, tls=None)
            template = endpoint.template.lenient() if endpoint.template else None
            address = f"http://127.0.0.1:{port}"
            yield replace(endpoint, address=address, access=plain, template=template)
        finally:
            server.communicate()  # the end of its input is its end
