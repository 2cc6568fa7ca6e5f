"""The whole server as a child process, and clients that talk to it."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import grpc
import httpx
from google.protobuf.message import Message

from servespec.wire import proto

__all__ = ["Served", "launch", "serving", "tensor"]

ROOT = Path(__file__).parents[2]
SECONDS = 10.0


@dataclass(frozen=True)
class Served:
    """A running server with its clients."""

    process: "subprocess.Popen[str]"
    doors: Mapping[str, str]
    rest: httpx.Client
    channel: grpc.Channel

    def infer(self, model: str, *inputs: Mapping[str, Any], **members: Any) -> httpx.Response:
        """Post an inference as JSON."""
        return self.rest.post(f"/v2/models/{model}/infer", json={"inputs": inputs, **members})

    def call(self, method: str, message: bytes | Message, seconds: float = SECONDS) -> Message:
        """Call a method of the inference service."""
        data = message if isinstance(message, bytes) else message.SerializeToString()
        answer = self.ask(f"/{proto.SERVICE}/{method}", data, seconds)
        return proto.METHODS[method][1].FromString(answer)

    def ask(self, path: str, message: bytes, seconds: float = SECONDS) -> bytes:
        """Call any unary method."""
        method: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(path)
        return method(message, timeout=seconds)

    @contextlib.contextmanager
    def slow(self, turns: int) -> Iterator[HTTPConnection]:
        """Ask the slow model; in the block the server has the request, and may be at work."""
        with self.post("slow", tensor("turns", [], [turns], "INT64")) as asked:
            # Asked later, on a connection that was opened later, and of another engine.
            with self.post("echo", tensor("x", [1, 1], [1.0])) as quick:
                assert quick.getresponse().status == 200
            yield asked

    def post(self, model: str, sent: dict[str, Any]) -> "contextlib.closing[HTTPConnection]":
        """Send an inference on a connection of its own, without waiting for the answer."""
        connection = HTTPConnection(self.doors["http"], timeout=SECONDS)
        body = json.dumps({"inputs": [sent]})
        path, headers = f"/v2/models/{model}/infer", {"Content-Type": "application/json"}
        connection.request("POST", path, body, headers)
        return contextlib.closing(connection)

    def becomes_ready(self) -> "Served":
        """Wait until every model is loaded."""
        end = time.monotonic() + SECONDS
        while self.rest.get("/v2/health/ready").status_code != 200:
            assert time.monotonic() < end, "not ready in time"
        return self

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop; return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(SECONDS)


def tensor(name: str, shape: list[int], data: list[Any], datatype: str = "FP32") -> dict[str, Any]:
    """An input as JSON has it."""
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def launch(*flags: str | Path) -> "subprocess.Popen[str]":
    """Start the server's command line."""
    return subprocess.Popen(
        [sys.executable, "-m", "reference_server", *map(str, flags)],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@contextlib.contextmanager
def serving(models: Path, *flags: str) -> Iterator[Served]:
    """Run the server on free ports; it listens, but may not be ready yet. It ends without delay."""
    ports = ("--http-port", "0", "--grpc-port", "0", "--providers", "cpu")
    quick = ("--drain-delay-seconds", "0")
    with launch("--models", models, *ports, *quick, *flags) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline().removeprefix("servespec reference server: ")
            doors = dict(door.split("=") for door in line.split())
            with (
                httpx.Client(base_url=f"http://{doors['http']}", timeout=SECONDS) as rest,
                grpc.insecure_channel(doors["grpc"]) as channel,
            ):
                yield Served(process, doors, rest, channel)
        finally:
            process.kill()
