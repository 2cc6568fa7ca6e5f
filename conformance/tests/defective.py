"""The reference server with its deliberate defects, ready to misbehave on request."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from servespec.fixtures import build
from servespec.target.leftovers import current_run
from servespec.target.readiness import answers_rest

__all__ = ["TARGET", "Defective", "defective"]

TARGET = Path(__file__).parents[1] / "targets/reference/target.toml"
READY_SECONDS = 60.0
STOP_SECONDS = 10.0
COMMAND = (
    *(sys.executable, "-m", "servespec.suites.reference_server", "--providers", "cpu"),
    *("--http-port", "0", "--grpc-port", "0", "--defects-port", "0", "--grace-seconds", "1"),
    *("--drain-delay-seconds", "0"),
)


@dataclass(frozen=True, slots=True)
class Defective:
    """Where it listens: two URLs, and `host:port` for gRPC."""

    rest: str
    grpc: str
    switch: str

    @property
    def options(self) -> list[str]:
        """Pytest's options that judge it as the running server of its target file."""
        addresses = ["--target-url", self.rest, "--target-grpc", self.grpc]
        return ["--target", str(TARGET), *addresses, "--intrusive"]


@contextlib.contextmanager
def defective() -> Iterator[Defective]:
    """Runs it on free ports, sound at first; nothing of it is left."""
    run = current_run()  # what is started from here on cannot outlive us
    with TemporaryDirectory(dir=run.folder) as folder:
        build(Path(folder))
        log = Path(folder, "server.log")
        with (
            log.open("w") as errors,
            subprocess.Popen(
                [*COMMAND, "--models", folder], stdout=subprocess.PIPE, stderr=errors, text=True
            ) as process,
        ):
            try:
                yield _ready(process, log)
            finally:
                _stop(process)


def _ready(process: "subprocess.Popen[str]", log: Path) -> Defective:
    line = process.stdout.readline() if process.stdout else ""
    doors = dict(door.split("=") for door in line.split() if "=" in door)
    if "defects" not in doors:
        raise RuntimeError(f"the reference server does not start: {log.read_text()}")
    rest, switch = f"http://{doors['http']}", f"http://{doors['defects']}"
    deadline = time.monotonic() + READY_SECONDS
    while missing := answers_rest(rest, "/v2/health/ready", {}, None):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the reference server is not ready: {missing}; {log.read_text()}")
    return Defective(rest, doors["grpc"], switch)


def _stop(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
