"""The standard health service of gRPC: Check."""

from grpc import StatusCode
from grpc_health.v1 import health_pb2

from servespec.target.target import Target
from servespec.verdicts.requirement import requirement
from servespec.wire import proto as pb

KNOWN = (health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING)


@requirement("HLTH-GRPC-001")
def test_the_health_service_is_there(target: Target) -> None:
    """Kubernetes probes, and clients that balance load, ask no other service."""
    exchange = target.grpc.health_check("")

    assert exchange.code is not StatusCode.UNIMPLEMENTED, "there is no grpc.health.v1.Health"


@requirement("HLTH-GRPC-002")
def test_the_empty_name_is_the_whole_server(target: Target) -> None:
    """A probe that names no service asks whether the server serves."""
    exchange = target.grpc.health_check("")

    status = exchange.must_succeed().message.status
    assert status in KNOWN, f"the status is {status}, neither SERVING nor NOT_SERVING"


@requirement("HLTH-GRPC-003")
def test_an_unknown_service_is_not_found(target: Target) -> None:
    """A probe with a mistyped name fails, rather than report the health of something else."""
    exchange = target.grpc.health_check("servespec.no.such.Service")

    exchange.must_be(StatusCode.NOT_FOUND)


@requirement("HLTH-GRPC-004")
def test_the_inference_service_has_a_health_of_its_own(target: Target) -> None:
    """A client asks about the service that it is going to call."""
    exchange = target.grpc.health_check(pb.SERVICE)
    by_model = target.grpc.health_check(target.fixture("identity_fp32").model)

    exchange.must_succeed()
    target.record("Check of a model's name", by_model.code.name)
