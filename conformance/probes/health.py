"""The standard health service, asked about the whole server."""

from grpc import StatusCode
from grpc_health.v1.health_pb2 import HealthCheckResponse

from servespec.target.exchange import GrpcExchange
from servespec.target.outcomes import NotApplicable
from servespec.target.target import Target

__all__ = ["checked", "status"]

ServingStatus = HealthCheckResponse.ServingStatus


def checked(target: Target) -> GrpcExchange:
    """The answer of Check.

    Raises:
        NotApplicable: there is no such service; HLTH-GRPC-001 judges that.
    """
    exchange = target.grpc.health_check("")
    if exchange.code is StatusCode.UNIMPLEMENTED:
        raise NotApplicable("the server has no grpc.health.v1.Health")
    return exchange


def status(target: Target) -> str:
    """What Check says, such as SERVING; the name of the code where it says nothing."""
    exchange = checked(target)
    if exchange.code is not StatusCode.OK:
        return exchange.code.name
    return ServingStatus.Name(exchange.message.status)
