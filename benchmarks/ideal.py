"""What the best possible batcher would do: a cost curve, and greedy batches simulated with it."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .bare_session import bare_session
from .contenders import ROOT, SERVER_CORE

__all__ = ["Costs", "best_rate", "measured_costs", "simulated"]

SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
RUNS = 9
SECONDS = 120.0

Costs = Mapping[int, float]
"""Seconds of an execution, by its rows."""


def measured_costs(model: Path, tokens: int) -> Costs:
    """Measure the bare runtime on the servers' core, in a process of its own."""
    command = ["taskset", "-c", str(SERVER_CORE), sys.executable, "-m", "benchmarks.ideal"]
    done = subprocess.run(
        [*command, str(model), str(tokens)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        timeout=SECONDS,
        check=True,
    )
    return {int(rows): seconds for rows, seconds in json.loads(done.stdout).items()}


def best_rate(costs: Costs) -> float:
    """Rows a second at the best of the sizes."""
    return max(rows / seconds for rows, seconds in costs.items())


def simulated(arrivals: np.ndarray, costs: Costs, most: int) -> np.ndarray:
    """The seconds from each arrival to its answer, if a free engine takes at once what waits.

    Args:
        arrivals: in ascending order.
        costs: of some sizes; those between are interpolated.
        most: rows of a batch.
    """
    curve = np.interp(np.arange(most + 1), [0, *costs], [0.0, *costs.values()])
    waits = np.empty(len(arrivals))
    free, first = 0.0, 0
    while first < len(arrivals):
        start = max(free, arrivals[first])
        end = min(int(np.searchsorted(arrivals, start, side="right")), first + most)
        free = start + curve[end - first]
        waits[first:end] = free - arrivals[first:end]
        first = end
    return waits


def _measure(model: str, tokens: int) -> dict[int, float]:
    session = bare_session(model)
    found: dict[int, list[float]] = {rows: [] for rows in SIZES}
    for number in range(RUNS + 1):
        for rows, seconds in found.items():  # all sizes in turn: the machine's moods hit them alike
            ids = np.full((rows, tokens), 2000 + number, np.int64)
            began = time.perf_counter()
            session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
            if number:
                seconds.append(time.perf_counter() - began)
    return {rows: float(np.median(seconds)) for rows, seconds in found.items()}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_measure(sys.argv[1], int(sys.argv[2]))))
