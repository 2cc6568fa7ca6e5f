"""Is a server as fast as before when an engine of its has died, or has hung?

    python -m benchmarks.recovery [--rounds 3] [--seconds 5]

32 callers ask a batched `spin` of about 10 ms, before and after the harm. Between the two the
engine's thread dies, or hangs until the server says that it is not live, and then goes on. Every
answer is compared with the one that is due. The server runs on one core, the load on the other.
"""

import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from servespec.fixtures import build
from servespec.target.defects import DefectSwitch
from servespec.target.process import free_port

from .batching import CALLERS, Served, calibrated, say, serving, spinning
from .callers import closed_loop
from .contenders import reference
from .rounds import options_of, take_load_core

HARMED = "witness"
"""The model that the defects harm; here it is a copy of `spin`."""
LIMITS = ("--stalled-seconds", "0.5", "--stuck-seconds", "1")
SECONDS = 20.0


def main() -> int:
    """Measure and print; return the exit code."""
    options = options_of(__doc__, seconds=5.0).parse_args()
    take_load_core()
    port = free_port()
    switch = DefectSwitch(f"http://127.0.0.1:{port}")
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder)
        build(models, ["spin"])
        shutil.copytree(models / "spin", models / HARMED)
        contender = reference("rest", models, "--defects-port", str(port), *LIMITS)
        with serving(contender) as served:
            compare(served, switch, options.rounds, options.seconds)
    return 0


def compare(served: Served, switch: DefectSwitch, rounds: int, seconds: float) -> None:
    """Measure before and after each kind of harm."""
    iterations = calibrated(served)
    harms: dict[str, Callable[[], None]] = {
        "nothing": lambda: None,
        "died": lambda: die(served, switch),
        "hung": lambda: hang(served, switch),
    }
    found: dict[str, list[float]] = {name: [] for name in harms}
    for _ in range(rounds):
        for name, harm in harms.items():
            before = rate(served, iterations, seconds)
            harm()
            until(served, ready=200, live=200)
            found[name].append(rate(served, iterations, seconds) / before)
    for name, ratios in found.items():
        aim = "noise" if name == "nothing" else ">= 0.95"
        say(f"throughput of 32 callers, after over before: {name}", ratios, aim, "{:.3f}")


def rate(served: Served, iterations: int, seconds: float) -> float:
    """Answers a second of the model that is harmed."""
    ask = spinning(served, iterations, HARMED)
    return closed_loop(served.address, ask, CALLERS, seconds).rate


def die(served: Served, switch: DefectSwitch) -> None:
    """Have the engine's thread die with one request."""
    switch.set("engine-dies")
    asked(served, status=500)
    until(served, ready=503, live=200)
    switch.set()


def hang(served: Served, switch: DefectSwitch) -> None:
    """Have the engine hang with one request until the server is not live, then go on."""
    switch.set("engine-hangs")
    waiting = threading.Thread(target=asked, args=(served,))
    waiting.start()
    try:
        until(served, ready=503, live=503)
    finally:
        switch.set()
        waiting.join(SECONDS)


def asked(served: Served, status: int = 200) -> None:
    """Ask once, and be answered so."""
    x = {"name": "iterations", "datatype": "INT64", "shape": [1, 1], "data": [1]}
    exchange = served.target.rest.infer(HARMED, {"inputs": [x]}, timeout=SECONDS)
    if exchange.status != status:
        raise RuntimeError(f"answered {exchange.status}, expected {status}")


def until(served: Served, *, ready: int, live: int) -> None:
    """Wait until the probes say so."""
    end = time.monotonic() + SECONDS
    while states(served) != (ready, live):
        if time.monotonic() > end:
            raise TimeoutError(f"ready, live: {states(served)}, expected {(ready, live)}")
        time.sleep(0.02)


def states(served: Served) -> tuple[int, int]:
    """What the readiness probe and the liveness probe answer."""
    ready, live = (served.target.probe(kind).status for kind in ("ready", "live"))
    return ready, live


if __name__ == "__main__":
    sys.exit(main())
