"""The servers to measure: what they are, how they start and how they stop."""

import contextlib
import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from servespec.target.process import free_port

__all__ = ["ROOT", "SERVER_CORE", "Contender", "contenders", "reference", "running"]

ROOT = Path(__file__).parents[1]
SERVER_CORE = 0
READY_SECONDS = 60.0
STOP_SECONDS = 10.0


@dataclass(frozen=True, eq=False)
class Contender:
    """A server to measure.

    Attributes:
        name: as shown.
        plane: "rest" or "grpc".
        address: host:port where it listens.
        command: starts it; empty if it is running already.
        environment: variables of the command, besides our own.
        cores: where it runs.
    """

    name: str
    plane: str
    address: str
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    cores: Sequence[int] = (SERVER_CORE,)


def contenders(models: Path) -> list[Contender]:
    """Return the bare ceilings (the first of each plane), our server, and installed peers."""
    model = str(models / "digits_fp32" / "1" / "model.onnx")
    found = [
        _asgi("bare ASGI", "benchmarks.bare_asgi:app", model),
        _bare_grpc(model),
        reference("rest", models),
        reference("grpc", models),
    ]
    if importlib.util.find_spec("fastapi"):
        found.append(_asgi("FastAPI + pydantic", "benchmarks.peer_fastapi:app", model))
    return found


def _asgi(name: str, app: str, model: str) -> Contender:
    port = free_port()
    command = f"-m uvicorn --http httptools --loop uvloop --port {port}"
    quiet = ["--no-access-log", "--log-level", "warning"]
    return Contender(
        name,
        "rest",
        f"127.0.0.1:{port}",
        [sys.executable, *command.split(), *quiet, app],
        {"MODEL": model},
    )


def _bare_grpc(model: str) -> Contender:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.bare_grpc", model, str(port)]
    return Contender("bare grpc.aio", "grpc", f"127.0.0.1:{port}", command)


def reference(plane: str, models: Path, *arguments: str) -> Contender:
    """Return our server, with these models, measured on one of its planes."""
    rest = free_port()
    ports = {"rest": rest, "grpc": free_port(besides=[rest])}
    command = [sys.executable, "-m", "reference_server", "--models", str(models)]
    command += ["--http-port", str(ports["rest"]), "--grpc-port", str(ports["grpc"])]
    command += ["--providers", "cpu", *arguments]  # where the bare servers compute
    return Contender("reference server", plane, f"127.0.0.1:{ports[plane]}", command)


@contextlib.contextmanager
def running(contender: Contender) -> Iterator[int | None]:
    """Run a contender on its cores; yield its process id, None if it is not ours.

    Raises:
        TimeoutError: it does not listen; with the end of what it wrote.
    """
    if not contender.command:
        yield None
        return
    with tempfile.TemporaryFile() as log:  # a terminal would slow down a server that says much
        process = subprocess.Popen(
            ["taskset", "-c", ",".join(map(str, contender.cores)), *contender.command],
            cwd=ROOT,
            env={**os.environ, **contender.environment},
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        try:
            _wait_for(contender, process, log)
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(contender: Contender, process: "subprocess.Popen[bytes]", log: IO[bytes]) -> None:
    host, _, port = contender.address.rpartition(":")
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1.0):
            return
        time.sleep(0.05)
    log.seek(0)
    said = log.read().decode(errors="replace")[-2000:]
    raise TimeoutError(f"{contender.name} does not listen on {contender.address}\n{said}")
