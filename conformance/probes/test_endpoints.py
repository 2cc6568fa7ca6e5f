"""What a probe costs, who may send it, and where it is answered."""

import shlex
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import numpy as np

from servespec.fixtures.ticks import ticks
from servespec.target.exchange import Exchange
from servespec.target.instance import Instance
from servespec.target.manifest import Addresses
from servespec.target.outcomes import Untestable
from servespec.target.procfs import resident_bytes
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..strategies import SCALAR, request
from .health import checked
from .kubelet import TIMEOUT_SECONDS, succeeds
from .saturation import while_saturated

PROBES = 2000
WARMING = 200
GROWN_BYTES = 4 << 20
"""Harness: what a sound server's memory may waver by; 2 KiB a probe."""
LOG_BYTES = 1024
"""Harness: what may be logged for other reasons; less than a byte a probe."""
TICKS = ticks(4 * PROBES)
DOCUMENTATION = ("198.51.100.1", 9)
"""An address that is nobody's (RFC 5737)."""


@requirement("K8S-PROBE-001", name="live")
def test_liveness_of_a_server_that_serves_is_a_success(target: Target) -> None:
    """A kubelet kills a container whose liveness fails."""
    _must_succeed_here(target.probe("live"))


@requirement("K8S-PROBE-001", name="ready")
def test_readiness_of_a_server_that_serves_is_a_success(target: Target) -> None:
    """A service sends nothing to a pod whose readiness fails."""
    _must_succeed_here(target.probe("ready"))


@requirement("K8S-PROBE-001", name="startup")
def test_startup_of_a_server_that_serves_is_a_success(target: Target) -> None:
    """A kubelet asks for nothing else before the startup probe succeeds."""
    _must_succeed_here(target.probe("startup"))


def _must_succeed_here(exchange: Exchange) -> None:
    assert succeeds(exchange), f"{exchange.asked}: answered {exchange.failure or exchange.status}"
    location = urlsplit(exchange.header("Location") or "")
    host = urlsplit(exchange.request.url).hostname
    elsewhere = exchange.status >= 300 and location.hostname not in (None, host)
    assert not elsewhere, f"redirects to {location.hostname}: a kubelet asks nobody but the pod"


@requirement("K8S-PROBE-006", kind="saturating", fixtures=["spin"])
def test_probes_are_answered_in_time_under_load(target: Target) -> None:
    """A probe that waits its turn behind the requests fails when it must not."""
    rounds = while_saturated(target, lambda: [target.probe("live"), target.probe("ready")])
    slowest = max((probe for both in rounds for probe in both), key=lambda probe: probe.seconds)
    target.record("probes under load", 2 * len(rounds))
    target.record("slowest probe under load, ms", f"{slowest.seconds * 1e3:.0f}")

    # p99.9 of fewer than a thousand probes is the slowest of them.
    slowest.must_answer_at_all()
    assert slowest.seconds < TIMEOUT_SECONDS, (
        f"{slowest.asked}: took {slowest.seconds:.1f} s under load"
    )


@requirement("K8S-PROBE-007", name="http")
def test_a_probe_needs_no_credentials(target: Target) -> None:
    """A kubelet has none, but for what a manifest that many can read gives it."""
    with closing(target.as_kubelet()) as stranger:
        answers = [stranger.probe("live"), stranger.probe("ready")]
    refused = [answer for answer in answers if not succeeds(answer)]

    if refused and target.claim("probes", "credentials"):
        target.record("the manifest supplies", target.claim("probes", "credentials"))
        return
    assert not refused, f"without credentials {refused[0].asked} is answered {refused[0].status}"


@requirement("K8S-PROBE-007", name="grpc")
def test_a_grpc_probe_needs_neither_credentials_nor_encryption(target: Target) -> None:
    """A kubelet's gRPC probe has none of both, and no manifest can change that."""
    with closing(target.as_kubelet()) as stranger:
        exchange = checked(stranger).must_succeed()

    assert not exchange.secure, "the health service speaks TLS, a kubelet's gRPC probe does not"


@requirement("K8S-PROBE-008", name="no inference")
def test_a_probe_runs_no_inference(target: Target) -> None:
    """Probes come all day, and what they compute is taken from the clients."""
    with target.fresh("witness") as instance:
        before = _executions(instance)
        _probe(instance, PROBES)
        between = _executions(instance) - before - 1

    assert between <= 0, f"{PROBES} probes ran {between} inferences on the only model"


@requirement("K8S-PROBE-008", name="memory and log")
def test_probes_leave_nothing_behind(target: Target) -> None:
    """What grows with every probe ends a server that nobody has used."""
    with target.fresh("witness") as instance:
        _probe(instance, WARMING)
        memory, log = _memory(instance), _logged(instance)
        _probe(instance, PROBES)
        memory, log = _memory(instance) - memory, _logged(instance) - log
    target.record(f"memory grown in {PROBES} probes, KiB", memory >> 10)
    target.record(f"bytes logged in {PROBES} probes", log)

    assert memory < GROWN_BYTES, f"{PROBES} probes took {memory >> 20} MiB of memory"
    assert log < LOG_BYTES, f"{PROBES} probes wrote {log} bytes to the log"


def _probe(instance: Instance, times: int) -> None:
    for _ in range(times // 2):
        for name in ("live", "ready"):
            instance.target.probe(name).must_answer_at_all()


def _executions(instance: Instance) -> int:
    """The number of this execution of the model, counted from its load."""
    tick = instance.target.rest.infer("witness", request(SCALAR)).must_succeed().values("tick")[0]
    numbers = np.flatnonzero(np.float32(tick) == TICKS)
    if not numbers.size:
        raise Untestable("the model's executions cannot be counted on this runtime")
    return int(numbers[0])


def _memory(instance: Instance) -> int:
    return sum(resident_bytes(process.pid) for process in instance.processes())


def _logged(instance: Instance) -> int:
    return instance.log.stat().st_size


@requirement("K8S-PROBE-010", name="http")
def test_probes_reach_the_server_at_the_machines_address(target: Target) -> None:
    """A kubelet asks at the pod's address, where a server on the loopback interface is not."""
    with _at_own_address(target) as outside:
        for probe in (outside.probe("live"), outside.probe("ready")):
            assert succeeds(probe), f"{probe.asked}: {probe.failure or probe.status}"


@requirement("K8S-PROBE-010", name="grpc")
def test_grpc_probes_reach_the_server_at_the_machines_address(target: Target) -> None:
    """A kubelet asks at the pod's address, where a server on the loopback interface is not."""
    checked(target)  # where there is no health service, there is no gRPC probe
    with _at_own_address(target) as outside:
        checked(outside).must_succeed()


@contextmanager
def _at_own_address(target: Target) -> Iterator[Target]:
    """The server under the machine's address, started to listen there if it has to be told."""
    option = target.claim("probes", "bind")
    if option is None:
        with closing(_elsewhere(target, own_address())) as outside:
            yield outside
        return
    target.record("listens on every address with", option)
    with (
        target.fresh("identity_fp32", arguments=shlex.split(option)) as instance,
        closing(_elsewhere(instance.target, own_address())) as outside,
    ):
        yield outside


def _elsewhere(target: Target, host: str) -> Target:
    probes = urlsplit(target.probe("ready").request.url)
    grpc = target.grpc.address.rpartition(":")[2]
    return target.beside(Addresses(f"{probes.scheme}://{host}:{probes.port}", f"{host}:{grpc}"))


def own_address() -> str:
    """An address of this machine that others can reach; nothing is sent to learn it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        try:
            unused.connect(DOCUMENTATION)
        except OSError:
            raise Untestable("this machine has no address but the loopback one") from None
        return str(unused.getsockname()[0])
