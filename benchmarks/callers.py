"""Closed-loop callers: each asks, waits for its answer, compares it, and asks again."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

__all__ = ["Ask", "Loop", "closed_loop"]

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"


@dataclass(frozen=True, slots=True)
class Ask:
    """A request as bytes, and whether an answer's output data is its own."""

    message: bytes
    accept: Callable[[Sequence[Any]], bool]


@dataclass(frozen=True, slots=True)
class Loop:
    """What callers came to: the seconds of each answer, and how long they asked."""

    seconds: Sequence[float]
    duration: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.seconds) / self.duration


def closed_loop(
    address: str, ask: Callable[[int], Ask], callers: int, duration: float, *, warm: float = 0.5
) -> Loop:
    """Ask for `duration` seconds, after `warm` seconds that do not count.

    Args:
        address: host:port.
        ask: makes request k.
        callers: how many at once.
        duration: in seconds.
        warm: in seconds.

    Raises:
        RuntimeError: an answer was an error, or another caller's.
    """
    return asyncio.run(_all(address, ask, callers, duration, warm))


async def _all(
    address: str, ask: Callable[[int], Ask], callers: int, duration: float, warm: float
) -> Loop:
    begin = time.perf_counter() + warm
    numbers = iter(range(10**9))
    seconds: list[float] = []

    async def caller() -> None:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        while (started := time.perf_counter()) < begin + duration:
            question = ask(next(numbers))
            writer.write(question.message)
            data = await _answer(reader)
            if not question.accept(data):
                raise RuntimeError(f"{address}: an answer was another caller's: {data[:4]}")
            if started >= begin:
                seconds.append(time.perf_counter() - started)
        writer.close()
        await writer.wait_closed()

    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())
    return Loop(seconds, duration)


async def _answer(reader: asyncio.StreamReader) -> Sequence[Any]:
    """Read one answer; return the data of its first output."""
    head = (await reader.readuntil(HEAD_END)).lower()
    length = int(head.partition(LENGTH)[2].partition(b"\r\n")[0])
    body = await reader.readexactly(length)
    if not head.startswith(b"http/1.1 200"):
        raise RuntimeError(f"answered {head.partition(b' ')[2][:3].decode()}: {body[:200]!r}")
    data: Sequence[Any] = msgspec.json.decode(body)["outputs"][0]["data"]
    return data
