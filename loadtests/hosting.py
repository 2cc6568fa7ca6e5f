"""Whether a target has the models that a workload asks and `servespec fixtures` does not write."""

from servespec.fixtures import FIXTURES
from servespec.target.binding import FixtureBinding
from servespec.target.given import UsageError
from servespec.target.manifest import Addresses, Manifest
from servespec.target.target import Target
from servespec.wire.proto import ModelReadyRequest

from .sending.access import bindings
from .sending.plan import Plan
from .sending.workloads import workload_of

__all__ = ["must_host"]


def must_host(manifest: Manifest, addresses: Addresses, plan: Plan) -> None:
    """Ask the target for them before the load begins.

    Raises:
        UsageError: names the workload and the first model that is not there.
    """
    asked = {each.request.model_name for each in workload_of(plan.workload, plan.seed).questions}
    for name in sorted(asked - {*FIXTURES}) if plan.plane != "json" else ():
        named = bindings(manifest).get(name, FixtureBinding(name))
        if why := _why_absent(manifest, addresses, plan.plane, named):
            raise UsageError(
                f"--workload {plan.workload}: expected a target that hosts {named.model}, {why}"
            )


def _why_absent(manifest: Manifest, addresses: Addresses, plane: str, named: FixtureBinding) -> str:
    """What the target says instead of yes; empty where it hosts the model."""
    target = Target(
        addresses.rest,
        addresses.grpc,
        fixtures={},
        claims={},
        headers=manifest.headers(),
        tls=manifest.tls(),
        alive=lambda: None,
    )
    try:
        return (_by_grpc if plane == "grpc" else _by_rest)(target, named)
    finally:
        target.close()


def _by_rest(target: Target, named: FixtureBinding) -> str:
    path = f"{named.path()}/ready"
    exchange = target.rest.get(path)
    return "" if exchange.status == 200 else f"GET {path} -> {exchange.failure or exchange.status}"


def _by_grpc(target: Target, named: FixtureBinding) -> str:
    asked = ModelReadyRequest(name=named.model, version=named.version)
    exchange = target.grpc.call("ModelReady", asked)
    ready = exchange.message is not None and exchange.message.ready
    return "" if ready else f"ModelReady -> {exchange.code.name}"
