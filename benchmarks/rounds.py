"""One round: a load generator against one server, from a core of its own."""

import argparse
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from servespec.fixtures import digits_rows
from servespec.wire import grpc as grpc_wire
from servespec.wire import rest as rest_wire
from servespec.wire.messages import InferRequest, Tensor

from .contenders import ROOT, Contender

__all__ = ["LOAD_CORE", "Sample", "measure", "options_of", "take_load_core"]

CALLERS = 16
LOAD_CORE = 1
SPARE_SECONDS = 30.0
TICK = os.sysconf("SC_CLK_TCK")


def options_of(description: str, seconds: float) -> argparse.ArgumentParser:
    """Return a parser of what a comparison in rounds can be told; `seconds` is the default."""
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=seconds, help="of each measurement")
    return parser


def take_load_core() -> None:
    """Keep to the load's core, and say how busy the machine was before."""
    os.sched_setaffinity(0, {LOAD_CORE})
    sys.stdout.write(f"load average at the start: {os.getloadavg()[0]:.1f}\n")


@dataclass(frozen=True)
class Sample:
    """What one round showed.

    Attributes:
        rate: answers a second.
        cpu: microseconds that the server computed for each; None if it is not our process.
    """

    rate: float
    cpu: float | None


def measure(contender: Contender, pid: int | None, seconds: int, folder: Path) -> Sample:
    """Load one server for so long; `folder` is for files of ours.

    Raises:
        RuntimeError: an answer was an error, or the generator failed.
    """
    load = _wrk if contender.plane == "rest" else _grpc
    before = _cpu_seconds(pid)
    answers, took = load(contender.address, seconds, folder)
    after = _cpu_seconds(pid)
    cpu = None if before is None or after is None else (after - before) / answers * 1e6
    return Sample(answers / took, cpu)


def _request() -> InferRequest:
    pixels, _ = digits_rows()
    return InferRequest("digits_fp32", (Tensor("x", "FP32", pixels[:1]),), id="1")


def _wrk(address: str, seconds: int, folder: Path) -> tuple[int, float]:
    body, _ = rest_wire.encode_request(_request(), binary=False)
    script = folder / "wrk.lua"
    script.write_text(
        'wrk.method = "POST"\n'
        'wrk.headers["Content-Type"] = "application/json"\n'
        f"wrk.body = [==[{body.decode()}]==]\n"
    )
    url = f"http://{address}/v2/models/digits_fp32/infer"
    command = ["wrk", "-t1", f"-c{CALLERS}", f"-d{seconds}s", "-s", str(script), url]
    printed = _on_the_load_core(command, b"", seconds)
    if "Non-2xx" in printed or "Socket errors" in printed:
        raise RuntimeError(f"{url}: {printed}")
    count = re.search(r"(\d+) requests in", printed)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", printed)
    if count is None or rate is None or int(count[1]) == 0:
        raise RuntimeError(f"{url} gave no answer: {printed}")
    return int(count[1]), int(count[1]) / float(rate[1])


def _grpc(address: str, seconds: int, _folder: Path) -> tuple[int, float]:
    request = grpc_wire.encode_request(_request(), raw=True).SerializeToString()
    command = [sys.executable, "-m", "benchmarks.load_grpc", address, str(CALLERS), str(seconds)]
    count, took = _on_the_load_core(command, request, seconds).split()
    return int(count), float(took)


def _on_the_load_core(command: list[str], given: bytes, seconds: int) -> str:
    result = subprocess.run(
        ["taskset", "-c", str(LOAD_CORE), *command],
        cwd=ROOT,
        input=given,
        stdout=subprocess.PIPE,
        timeout=seconds + SPARE_SECONDS,
        check=False,
    )
    if result.returncode:
        raise RuntimeError(f"{command[0]} failed with exit code {result.returncode}")
    return result.stdout.decode()


def _cpu_seconds(pid: int | None) -> float | None:
    """Return the CPU time of a process so far, user and system; the servers here have one each."""
    if pid is None:
        return None
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK
