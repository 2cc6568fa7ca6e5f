"""Calls under way at the same time, for callers who do not wait for the answer."""

import grpc

from servespec.target.exchange import GrpcExchange
from servespec.target.target import Target

__all__ = ["repeat"]


def repeat(target: Target, one: GrpcExchange, calls: int, *, timeout: float) -> list[grpc.Call]:
    """Ask the same so many times at once; nobody waits, until `code()` of a call is asked for."""
    method: grpc.UnaryUnaryMultiCallable[bytes, bytes]
    method = target.grpc.channel.unary_unary(one.method)
    return [
        method.future(one.request, timeout=timeout, metadata=one.metadata) for _ in range(calls)
    ]
