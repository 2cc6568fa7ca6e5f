"""A closed-loop gRPC client: so many callers, each asking again as soon as it has its answer.

    python -m benchmarks.load_grpc ADDRESS CALLERS SECONDS < request.bin

Prints the count of answers and the seconds that they took. The request is sent as the bytes on
stdin and answers are not parsed, so that the client costs as little as it can.
"""

import asyncio
import sys
import time

import grpc
import uvloop

METHOD = "/inference.GRPCInferenceService/ModelInfer"


async def load(address: str, callers: int, seconds: float, request: bytes) -> tuple[int, float]:
    """Return how many answers came, and the seconds until the last one.

    Raises:
        grpc.aio.AioRpcError: an answer was an error.
    """
    count = 0
    async with grpc.aio.insecure_channel(address) as channel:
        ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(METHOD)
        await ask(request)
        begin = time.perf_counter()
        end = begin + seconds

        async def caller() -> None:
            nonlocal count
            while time.perf_counter() < end:
                await ask(request)
                count += 1

        await asyncio.gather(*(caller() for _ in range(callers)))
        return count, time.perf_counter() - begin


if __name__ == "__main__":
    address, callers, seconds = sys.argv[1:]
    answers, took = uvloop.run(load(address, int(callers), float(seconds), sys.stdin.buffer.read()))
    sys.stdout.write(f"{answers} {took}\n")
