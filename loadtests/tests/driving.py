"""The generator in a process of its own: `python -m loadtests.tests.driving JSON`.

gevent stays out of the tests' own process.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..sending.records import Records

__all__ = ["Driven", "drive"]

SECONDS = 30.0
COLUMNS = ("intended", "dispatched", "sent", "first", "done", "status", "fate")


@dataclass(frozen=True, slots=True)
class Driven:
    """What the generator left: `timings` is what some answers told, by the request's number."""

    records: Records
    area: float
    timings: dict[str, str]


def drive(
    address: str,
    offsets: np.ndarray,
    *,
    plane: str = "rest",
    timeout: float = 5.0,
    in_flight: int = 1000,
    target: Path | None = None,
    template: Path | None = None,
) -> Driven:
    """Send requests to an address at these seconds, as `identity` asks them."""
    given = {"address": address, "offsets": offsets.tolist(), "plane": plane, "timeout": timeout}
    files = {"target": target, "template": template}
    given |= {name: str(file) if file else None for name, file in files.items()}
    given["in_flight"] = in_flight
    command = [sys.executable, "-m", "loadtests.tests.driving", json.dumps(given)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    columns = {name: np.array(told[name]) for name in COLUMNS}
    return Driven(Records(columns), told["area"], told["timings"])


def _main(given: dict[str, Any]) -> None:
    import gevent.monkey

    gevent.monkey.patch_all()
    from contextlib import ExitStack

    from ..sending.access import Access
    from ..sending.generator import Generator
    from ..sending.pacer import CLOCK
    from ..sending.planes import Endpoint, senders
    from ..sending.template import read_template
    from ..sending.workloads import workload_of

    offsets, target, template = np.array(given["offsets"]), given["target"], given["template"]
    endpoint = Endpoint(
        given["plane"],
        given["address"],
        Access.of(Path(target) if target else None),
        read_template(Path(template)) if template else None,
    )
    questions = workload_of("identity", 1).questions
    choice = [number % 2 if template else 0 for number in range(len(offsets))]
    with ExitStack() as opened:
        sender = senders(endpoint, questions, choice, given["timeout"], opened)
        numbers = np.arange(len(offsets))
        generator = Generator(numbers, offsets, sender, given["in_flight"], lambda _row: None)
        generator.run(CLOCK() + 0.1, given["timeout"])
    columns = {name: getattr(generator.records, name).tolist() for name in COLUMNS}
    left = {"area": generator.area, "timings": generator.timings}
    sys.stdout.write(json.dumps({**columns, **left}))


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))
