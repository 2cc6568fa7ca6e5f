"""The standard gRPC health service, which follows readiness.

Not the one of grpcio-health-checking: there the first watcher to leave silences the others.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from grpc import StatusCode
from grpc.aio import ServicerContext
from grpc_health.v1 import health_pb2

from servespec.wire import proto

from .lifecycle import Phase
from .probes import Probes

__all__ = ["Health"]

_SERVICES = ("", proto.SERVICE)
_POLL_SECONDS = 0.1
"""Between looks at readiness: an engine that dies or recovers tells nobody."""


class Health:
    """Answers for the server as a whole (the empty name) and for the inference service."""

    def __init__(self, probes: Probes) -> None:
        self._probes = probes
        self._changed = asyncio.Event()
        probes.lifecycle.listen(self._tell)

    async def check(
        self, request: health_pb2.HealthCheckRequest, context: ServicerContext[Any, Any]
    ) -> health_pb2.HealthCheckResponse:
        """Answer with the current status, NOT_FOUND for another service."""
        if request.service not in _SERVICES:
            await context.abort(StatusCode.NOT_FOUND, f"unknown service {request.service[:200]!r}")
        return health_pb2.HealthCheckResponse(status=self._status(request.service))

    async def watch(
        self, request: health_pb2.HealthCheckRequest, _context: ServicerContext[Any, Any]
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """Answer with the status now and with every later one, until one of the two leaves."""
        last = None
        while True:
            # All read before the yield: the server may begin to drain while the answer is written.
            changed, leaving = self._changed, self._probes.lifecycle.draining
            status = self._status(request.service)
            if status != last:
                yield health_pb2.HealthCheckResponse(status=status)
            last = status
            if leaving:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), _POLL_SECONDS)

    def _status(self, service: str) -> int:
        if service not in _SERVICES:
            return health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        if self._probes.ready():
            return health_pb2.HealthCheckResponse.SERVING
        return health_pb2.HealthCheckResponse.NOT_SERVING

    async def _tell(self, _phase: Phase) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
