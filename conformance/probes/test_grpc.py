"""Readiness and health over gRPC: while loading, under load, and from SIGTERM on."""

import itertools
import signal
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from grpc import StatusCode

from servespec.target.exchange import GrpcExchange
from servespec.target.grpc import HealthWatch
from servespec.target.instance import Instance
from servespec.target.outcomes import NotApplicable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement
from servespec.wire import proto as pb

from ..grpc.messages import ONE
from .health import checked, status
from .kubelet import START_SECONDS, TIMEOUT_SECONDS, await_yes, polled
from .saturation import while_saturated

UNREADY = (StatusCode.OK, StatusCode.UNAVAILABLE)
"""How a server may say that it is not ready; with OK the message says it."""

SIGNAL_SECONDS = 0.4
"""Harness: until a signal has reached the process and shows."""

HEARD_SECONDS = 1.0
"""Harness: until what the signal changes has reached every watcher."""

WATCHED_SECONDS = 0.5
SAID = ("SERVING", "NOT_SERVING")


@requirement("OIP-GRPC-SVC-003")
def test_a_server_that_loads_answers_that_it_is_not_ready(target: Target) -> None:
    """A client waits for a server that starts, and gives up one that is broken."""
    with target.fresh("slow_load", ready=False) as instance:
        question = pb.ServerReadyRequest()
        await_yes(
            instance,
            lambda: _ready(instance.target.grpc.call("ServerReady", question).must_be(*UNREADY)),
            "ServerReady was not true",
        )
        _infer(instance).must_succeed()


@requirement("OIP-GRPC-SVC-004")
def test_a_model_that_loads_answers_that_it_is_not_ready(target: Target) -> None:
    """A client waits for a model that loads, and gives up one that is not there."""
    seen: set[str] = set()

    def ready(exchange: GrpcExchange) -> bool:
        is_ready = _ready(exchange.must_be(*UNREADY, StatusCode.FAILED_PRECONDITION))
        seen.update(() if is_ready else [exchange.code.name])
        return is_ready

    with target.fresh("slow_load", ready=False) as instance:
        question = pb.ModelReadyRequest(name=instance.target.fixture("slow_load").model)
        ask = instance.target.grpc.call
        await_yes(instance, lambda: ready(ask("ModelReady", question)), "ModelReady was not true")
        _infer(instance).must_succeed()
    target.record("ModelReady while loading", ", ".join(sorted(seen)))


def _ready(exchange: GrpcExchange) -> bool:
    return exchange.code is StatusCode.OK and bool(exchange.message.ready)


def _infer(instance: Instance) -> GrpcExchange:
    return instance.target.grpc.infer("slow_load", inputs=[ONE])


@requirement("HLTH-GRPC-005", name="at once")
def test_a_watcher_hears_the_status_at_once(target: Target) -> None:
    """A client that balances load can send without waiting for a change."""
    watch = _watched(target.grpc.health_watch("", WATCHED_SECONDS))

    assert watch.statuses == ("SERVING",), f"the server serves, Watch says {watch.statuses}"
    assert watch.code is None, f"the stream ended with {watch.code}"


@requirement("HLTH-GRPC-005", name="unknown")
def test_a_watcher_of_an_unknown_service_waits_for_it(target: Target) -> None:
    """A service may be registered later; a watcher that is turned away would not learn of it."""
    watch = _watched(target.grpc.health_watch("servespec.no.such.Service", WATCHED_SECONDS))

    assert watch.statuses == ("SERVICE_UNKNOWN",), f"Watch says {watch.statuses}"
    assert watch.code is None, f"the stream ended with {watch.code}"


@requirement("HLTH-GRPC-005", name="changes")
def test_a_watcher_hears_of_every_change(target: Target) -> None:
    """A client that balances load sends to a server as soon as it serves, and no longer."""
    with ThreadPoolExecutor(1) as thread, target.fresh("slow_load", ready=False) as instance:
        await_yes(instance, lambda: status(instance.target) in SAID, "Check said nothing")
        watching = thread.submit(instance.target.grpc.health_watch, "", START_SECONDS)
        checks = _until_serving(instance)
        instance.signal(signal.SIGTERM)
        checks += polled(lambda: status(instance.target), HEARD_SECONDS)
    watch = _watched(watching.result())

    changes = [name for name, _ in itertools.groupby(checks) if name in SAID]
    target.record("Check from the start to SIGTERM", ", ".join(changes))
    target.record("Watch from the start to SIGTERM", ", ".join(watch.statuses))
    assert _in_order(changes, watch.statuses), f"Check went {changes}, Watch {watch.statuses}"


def _until_serving(instance: Instance) -> list[str]:
    checks: list[str] = []

    def serving() -> bool:
        checks.append(status(instance.target))
        return checks[-1] == "SERVING"

    await_yes(instance, serving, "Check did not say SERVING")
    return checks


def _in_order(wanted: Sequence[str], found: Sequence[str]) -> bool:
    ahead = iter(found)
    return all(name in ahead for name in wanted)


def _watched(watch: HealthWatch) -> HealthWatch:
    if watch.code is StatusCode.UNIMPLEMENTED:
        raise NotApplicable("the server has no Watch")
    return watch


@requirement("HLTH-GRPC-006", name="loading")
def test_health_follows_readiness_at_the_start(target: Target) -> None:
    """Who asks for health before sending work is not refused afterwards."""
    with target.fresh("slow_load", ready=False) as instance:
        _until_serving(instance)
        _infer(instance).must_succeed()


@requirement("HLTH-GRPC-006", name="shutdown")
def test_health_follows_readiness_at_the_end(target: Target) -> None:
    """Who asks a server that was told to stop goes elsewhere in time."""
    with target.fresh("identity_fp32") as instance:
        before = status(instance.target)
        instance.signal(signal.SIGTERM)
        time.sleep(SIGNAL_SECONDS)
        after = set(polled(lambda: status(instance.target), HEARD_SECONDS - SIGNAL_SECONDS))

    assert before == "SERVING", f"the server is ready, Check says {before}"
    assert "SERVING" not in after, "Check says SERVING after SIGTERM"


@requirement("HLTH-GRPC-007", kind="saturating", fixtures=["spin"])
def test_health_is_answered_in_time_under_load(target: Target) -> None:
    """A probe that waits its turn behind the requests fails when it must not."""
    answers = while_saturated(target, lambda: checked(target))
    slowest = max(answers, key=lambda answer: answer.seconds)
    target.record("slowest Check under load, ms", f"{slowest.seconds * 1e3:.0f}")

    slowest.must_succeed()  # p99.9 of fewer than a thousand is the slowest of them
    assert slowest.seconds < TIMEOUT_SECONDS, f"Check took {slowest.seconds:.1f} s under load"
