"""A server whose latencies are planted, and which logs what it really did.

    python -m benchmarks.loadtest_accuracy.planted rest|grpc PLAN SEED LOG

Prints its port and serves until its standard input ends; then it writes LOG, a row for each request
in the order of arrival (`truth.Log`). Every request is held on its own, however many there are, so
that what a caller sees depends on nothing but its moment and its draw. Over REST it says of itself
what perf_analyzer wants to hear of an OIP server.
"""

import asyncio
import json
import re
import sys
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import numpy as np

from .plans import held, stall_of

__all__ = ["MODEL", "main"]

MODEL = "identity_fp32"

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_NUMBER = re.compile(rb"\r\nx-request-id: *(\d+)", re.IGNORECASE)
_ID = re.compile(rb'"id" *: *"([^"]*)"')  # which perf_analyzer wants to have back
_ANSWER = {
    "model_name": MODEL,
    "model_version": "1",
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 16], "data": [0.5] * 16}],
}
_PORTS = {
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 16]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 16]}],
}
_PAGES = {
    "/v2": {"name": "planted", "version": "1", "extensions": ["model_configuration"]},
    f"/v2/models/{MODEL}": {"name": MODEL, "versions": ["1"], "platform": "none", **_PORTS},
    f"/v2/models/{MODEL}/config": {
        "name": MODEL,
        "platform": "none",
        "max_batch_size": 0,
        "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [1, 16]}],
        "output": [{"name": "y", "data_type": "TYPE_FP32", "dims": [1, 16]}],
    },
}


def _message(content: object) -> bytes:
    body = json.dumps(content).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


ANSWER = _message(_ANSWER)
PAGES = {path: _message(content) for path, content in _PAGES.items()}
OTHERS = _message({"live": True, "ready": True})


@dataclass
class Service:
    """What is to be done to the requests, and what was done.

    Attributes:
        plan: the seconds for which each is held.
        stall: when nothing is answered, in seconds after the first request.
    """

    plan: np.ndarray
    stall: tuple[float, float]
    _numbers: list[int] = field(default_factory=list)
    _arrived: list[float] = field(default_factory=list)
    _answered: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._holds = cycle(self.plan.tolist())

    def arrive(self, number: int, now: float) -> tuple[int, float]:
        """Log a request; returns its row and the moment when it is due, which may be never."""
        row = len(self._arrived)
        self._numbers.append(number)
        self._arrived.append(now)
        self._answered.append(np.nan)
        begin, end = (self._arrived[0] + offset for offset in self.stall)
        hold = next(self._holds)
        if begin <= now < end:
            return row, end + hold
        return row, end if begin <= now + hold < end else now + hold

    def answer(self, row: int, now: float) -> None:
        """Log that a request has its answer."""
        self._answered[row] = now

    def write(self, path: Path) -> None:
        """Write the log."""
        begun = self._arrived[0] if self._arrived else 0.0
        np.savez(
            path,
            numbers=np.array(self._numbers, dtype=np.int64),
            arrived=np.array(self._arrived),
            answered=np.array(self._answered),
            hangs=np.isinf(np.resize(self.plan, len(self._arrived))),
            stall=begun + np.array(self.stall),
        )


class OverRest(asyncio.Protocol):
    """Serves one connection; who asks twice before the first answer gets both in any order."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to answer."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take what has become complete."""
        now = self._loop.time()
        self._received += data
        while (head := self._received.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._received, 0, head)
            end = head + 4 + (int(length[1]) if length else 0)
            if len(self._received) < end:
                return
            self._take(
                bytes(self._received[: head + 2]), bytes(self._received[head + 4 : end]), now
            )
            del self._received[:end]

    def _take(self, head: bytes, body: bytes, now: float) -> None:
        if not head.startswith(b"POST"):
            path = head.split(b" ", 2)[1].decode()
            self._transport.write(PAGES.get(path, OTHERS))
            return
        number = _NUMBER.search(head)
        row, moment = self._service.arrive(int(number[1]) if number else -1, now)
        told = _ID.search(body)
        answer = _message({**_ANSWER, "id": told[1].decode()}) if told else ANSWER
        if moment < np.inf:
            self._loop.call_at(moment, self._answer, row, answer)

    def _answer(self, row: int, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)
            self._service.answer(row, self._loop.time())


async def _over_rest(service: Service) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: OverRest(service), "127.0.0.1", 0, backlog=1024)
    async with server:
        await _until_alone(server.sockets[0].getsockname()[1])


async def _over_grpc(service: Service) -> None:
    import grpc.aio

    from servespec.wire import proto

    loop = asyncio.get_running_loop()
    message = proto.ModelInferResponse(model_name=MODEL, model_version="1")
    message.outputs.add(name="y", datatype="FP32", shape=[1, 16])
    message.raw_output_contents.append(bytes(64))
    answer = message.SerializeToString()

    async def infer(_request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        now = loop.time()
        metadata = dict(context.invocation_metadata() or ())
        row, moment = service.arrive(int(metadata.get("x-request-id", -1)), now)
        await (asyncio.sleep(moment - now) if moment < np.inf else loop.create_future())
        service.answer(row, loop.time())
        return answer

    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(infer)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(proto.SERVICE, {"ModelInfer": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await _until_alone(port)
    await server.stop(None)


async def _until_alone(port: int) -> None:
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    """Serve until whoever started it is gone."""
    plane, name, seed, log = sys.argv[1:]
    service = Service(held(name, int(seed)), stall_of(name))
    asyncio.run(_over_grpc(service) if plane == "grpc" else _over_rest(service))
    service.write(Path(log))


if __name__ == "__main__":
    main()
