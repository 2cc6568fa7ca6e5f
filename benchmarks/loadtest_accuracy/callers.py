"""The load generators: how each is told to ask, and where it says how long it took.

What a generator tells is its own times, sample by sample where it writes them (vegeta, ghz,
perf_analyzer), else the percentiles that it prints. Our own needs no more than the project; the
others are looked for in PATH and in `--tools`, and who is not there is left out.
"""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from servespec.stats.percentiles import percentile
from servespec.wire import grpc as grpc_codec
from servespec.wire import proto
from servespec.wire.messages import InferRequest, Tensor

from ..contenders import ROOT, SERVER_CORE
from .planted import MODEL

__all__ = ["CALLERS", "PERCENTS", "TIMEOUT", "Caller", "Job", "Times", "found", "on_core", "served"]

PERCENTS = (50.0, 95.0, 99.0, 99.9)
TIMEOUT = 2.0
"""Seconds after which every generator gives an answer up."""
USERS = 50  # of Locust, see `stock_locustfile`
CONNECTIONS = 16  # of wrk, which asks as fast as they let it

_SPARE_SECONDS = 25.0
_HERE = Path(__file__).parent
_BODY = _HERE / "request.json"


@dataclass(frozen=True, slots=True)
class Job:
    """What a generator is to do.

    Attributes:
        address: host:port of the server.
        rate: requests a second, evenly.
        seconds: how long.
        folder: for its files, empty before.
        core: that it runs on.
    """

    address: str
    rate: float
    seconds: float
    folder: Path
    core: int

    @property
    def count(self) -> int:
        """How many requests that is."""
        return round(self.rate * self.seconds)

    @property
    def url(self) -> str:
        """Of an inference over REST."""
        return f"http://{self.address}/v2/models/{MODEL}/infer"


Times = Sequence[float]
"""Seconds at `PERCENTS`; infinite: not answered."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A load generator.

    Attributes:
        name: as shown.
        plane: "rest" or "grpc".
        program: what is looked for; "" for what comes with Python here.
        ask: runs it.
        keeps_rate: whether it can be told a rate.
    """

    name: str
    plane: str
    program: str
    ask: Callable[[str, Job], Times]
    keeps_rate: bool = True


def found(caller: Caller, tools: Path) -> str | None:
    """Where its program is, if it is anywhere."""
    if not caller.program:
        return sys.executable
    return shutil.which(caller.program, path=f"{tools}{os.pathsep}{os.environ['PATH']}")


def on_core(
    command: Sequence[str], job: Job, given: bytes = b"", more: Mapping[str, str] | None = None
) -> str:
    """Run a generator on its core; returns what it printed.

    Raises:
        subprocess.TimeoutExpired: it does not end.
    """
    done = subprocess.run(
        ["taskset", "-c", str(job.core), *command],
        cwd=ROOT if command[0] == sys.executable else job.folder,
        env={**os.environ, **(more or {})},
        input=given,
        capture_output=True,
        timeout=job.seconds + TIMEOUT + _SPARE_SECONDS,
        check=False,
    )
    (job.folder / "printed").write_bytes(done.stdout + done.stderr)
    return done.stdout.decode(errors="replace")


@contextmanager
def served(module: str, *words: str) -> Iterator[str]:
    """Run a server on its core that prints its port; the end of its input is its end."""
    with subprocess.Popen(
        ["taskset", "-c", str(SERVER_CORE), sys.executable, "-m", module, *words],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as server:  # fmt: skip
        assert server.stdout is not None
        try:
            yield f"127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.communicate(timeout=30)


def ours(plane: str) -> Callable[[str, Job], Times]:
    """`servespec load`."""

    def ask(python: str, job: Job) -> Times:
        lines = load_report(python, job, plane)["summary"]["lines"]
        seconds = {line["percent"]: line["seconds"] for line in lines}
        return [_or_never(seconds[percent]) for percent in PERCENTS]

    return ask


def load_report(python: str, job: Job, plane: str, arrivals: str = "constant") -> Mapping[str, Any]:
    """What `servespec load` writes of such a run."""
    where = (
        f"--target-grpc={job.address}" if plane == "grpc" else f"--target-url=http://{job.address}"
    )
    asked = [f"--rate={job.rate}", f"--seconds={job.seconds}", f"--answer-seconds={TIMEOUT}"]
    asked += [f"--arrivals={arrivals}", f"--plane={plane}", "--in-flight=4000"]
    on_core([python, "-m", "loadtests", where, *asked, f"--report-dir={job.folder}"], job)
    if not (file := next(job.folder.rglob("load.json"), None)):
        raise ValueError((job.folder / "printed").read_text(errors="replace")[-300:])
    report = json.loads(file.read_text(encoding="utf-8"))
    if not report["summary"]["lines"]:
        raise ValueError("; ".join(report["spoilt"]))
    return dict(report)


def _locust(python: str, job: Job) -> Times:
    stock_locust(python, job)
    rows = list(csv.DictReader((job.folder / "told_stats.csv").open(encoding="utf-8")))
    return [float(rows[-1][f"{percent:g}%"]) / 1000 for percent in PERCENTS]


def stock_locust(python: str, job: Job) -> Mapping[str, float]:
    """Run stock Locust; returns the rate that it kept, and the CPU of a request."""
    words = ["-f", str(_HERE / "stock_locustfile.py"), "--headless", "--only-summary"]
    words += ["--host", f"http://{job.address}", "--csv", str(job.folder / "told")]
    words += ["--users", str(USERS), "--spawn-rate", str(USERS)]
    words += ["--run-time", f"{round(job.seconds)}s"]
    cost = job.folder / "cost.json"
    more = {"RATE": str(job.rate), "TIMEOUT": str(TIMEOUT), "COST": str(cost)}
    on_core([python, "-m", "locust", *words], job, more=more)
    return dict(json.loads(cost.read_text(encoding="utf-8")))


def _wrk(wrk: str, job: Job) -> Times:
    words = ["-t1", f"-c{CONNECTIONS}", f"-d{round(job.seconds)}s", f"--timeout={TIMEOUT:g}s"]
    command = [wrk, *words, "-s", str(_HERE / "wrk.lua"), job.url]
    printed = on_core(command, job, more={"BODY": str(_BODY)})
    return [float(us) / 1e6 for us in re.findall(r"^percentile ([\d.]+)$", printed, re.MULTILINE)]


def _perf_analyzer(program: str, job: Job) -> Times:
    words = ["-m", MODEL, "-u", job.address, "-i", "http", "--async", "--shape", "x:1,16"]
    words += ["--request-rate-range", f"{job.rate:g}", "--request-count", str(job.count)]
    on_core([program, *words, "--profile-export-file", "told.json"], job)
    told = json.loads((job.folder / "told.json").read_text(encoding="utf-8"))
    requests = told["experiments"][0]["requests"]
    return _percentiles(
        (max(each["response_timestamps"]) - each["timestamp"]) / 1e9 for each in requests
    )


def _k6(k6: str, job: Job) -> Times:
    more = {"RATE": f"{job.rate:g}", "SECONDS": f"{job.seconds:g}", "TIMEOUT": f"{TIMEOUT:g}"}
    more |= {"URL": job.url, "BODY": str(_BODY), "K6_NO_USAGE_REPORT": "true"}
    told = json.loads(on_core([k6, "run", "--quiet", str(_HERE / "k6.js")], job, more=more))
    return [told[f"p({percent:g})"] / 1000 for percent in PERCENTS]


def _vegeta(vegeta: str, job: Job) -> Times:
    import base64

    body = base64.b64encode(_BODY.read_bytes()).decode()
    asked = {"method": "POST", "url": job.url, "body": body}
    targets = (
        json.dumps({**asked, "header": {"X-Request-Id": [str(number)]}})
        for number in range(job.count)
    )
    words = ["-format=json", f"-rate={job.rate:g}/1s", f"-duration={job.seconds:g}s"]
    words += [f"-timeout={TIMEOUT:g}s", "-output=told.bin"]
    on_core([vegeta, "attack", *words], job, "\n".join(targets).encode())
    rows = on_core([vegeta, "encode", "-to=csv", "told.bin"], job).splitlines()
    return _percentiles(float(row[2]) / 1e9 for row in csv.reader(rows))


def _ghz(ghz: str, job: Job) -> Times:
    described, message = job.folder / "inference.binpb", job.folder / "message"
    described.write_bytes(Path(proto.__file__).with_name("inference.binpb").read_bytes())
    tensor = Tensor("x", "FP32", np.full((1, 16), 0.5, np.float32))
    request = grpc_codec.encode_request(InferRequest(MODEL, (tensor,)), raw=True)
    message.write_bytes(request.SerializeToString())
    words = ["--insecure", "--protoset", str(described), "--call", f"{proto.SERVICE}.ModelInfer"]
    words += ["--async", f"--rps={job.rate:g}", f"--total={job.count}", f"--timeout={TIMEOUT:g}s"]
    words += ["--concurrency=50", "--count-errors", "--format=json", f"--binary-file={message}"]
    words += ["--metadata", '{"x-request-id": "{{.RequestNumber}}"}', job.address]
    told = json.loads(on_core([ghz, *words], job))
    return _percentiles(each["latency"] / 1e9 for each in told["details"])


def _percentiles(seconds: Iterable[float]) -> Times:
    values = np.array(list(seconds))
    return [percentile(values, percent) for percent in PERCENTS]


def _or_never(seconds: float | None) -> float:
    return np.inf if seconds is None else seconds


CALLERS = (
    Caller("servespec load", "rest", "", ours("rest")),
    Caller("stock Locust", "rest", "", _locust),
    Caller("wrk", "rest", "wrk", _wrk, keeps_rate=False),
    Caller("perf_analyzer", "rest", "perf_analyzer", _perf_analyzer),
    Caller("k6", "rest", "k6", _k6),
    Caller("vegeta", "rest", "vegeta", _vegeta),
    Caller("servespec load, gRPC", "grpc", "", ours("grpc")),
    Caller("ghz, gRPC", "grpc", "ghz", _ghz),
)
