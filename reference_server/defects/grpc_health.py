"""Misbehaviours of the standard health service."""

from google.protobuf.message import Message
from grpc import StatusCode
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from servespec.wire.proto import SERVICE

from .registry import Behaviour, Context, grpc_defect


@grpc_defect("health-status-unknown", breaks=["HLTH-GRPC-002"])
async def _(_method: str, request: Message, context: Context, answer: Behaviour) -> Message:
    """Does not say how the server as a whole fares."""
    response = await answer(request, context)
    if isinstance(request, HealthCheckRequest) and not request.service:
        return HealthCheckResponse(status=HealthCheckResponse.UNKNOWN)
    return response


@grpc_defect("health-of-any-name", breaks=["HLTH-GRPC-003"])
async def _(_method: str, request: Message, context: Context, answer: Behaviour) -> Message:
    """Takes every service for the server as a whole, but for its own."""
    if isinstance(request, HealthCheckRequest) and request.service != SERVICE:
        request.service = ""
    return await answer(request, context)


@grpc_defect("health-of-no-service", breaks=["HLTH-GRPC-004"])
async def _(_method: str, request: Message, context: Context, answer: Behaviour) -> Message:
    """Knows the server as a whole only."""
    if isinstance(request, HealthCheckRequest) and request.service == SERVICE:
        return await context.abort(StatusCode.NOT_FOUND, "unknown service")
    return await answer(request, context)


@grpc_defect(
    "no-health-service", breaks=["HLTH-GRPC-001", "HLTH-GRPC-002", "HLTH-GRPC-003", "HLTH-GRPC-004"]
)
async def _(_method: str, request: Message, context: Context, answer: Behaviour) -> Message:
    """Has no health service."""
    if isinstance(request, HealthCheckRequest):
        return await context.abort(StatusCode.UNIMPLEMENTED, "Method not found!")
    return await answer(request, context)
