"""Liveness: true as long as a restart would not help, false when nothing else does."""

from servespec.target.exchange import Exchange
from servespec.target.outcomes import NotApplicable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from .harming import HARMED, deadlock
from .kubelet import TIMEOUT_SECONDS, asking, await_yes, succeeds
from .loading import NOT_SERVED, identity
from .saturation import while_saturated

ENOUGH = 50
BUDGET_SECONDS = 30.0
"""Binding where the target claims no other: three failures of a probe every 10 s."""


@requirement("OIP-REST-HLTH-012", name="load", kind="saturating", fixtures=["spin"])
def test_a_server_with_a_full_queue_is_live(target: Target) -> None:
    """To kill a busy server hands its work to others, which are busy as well."""
    answers = while_saturated(target, lambda: target.rest.get("/v2/health/live"), times=1)

    for answer in answers:
        answer.must_succeed()
    slowest = max(answer.seconds for answer in answers)
    assert slowest < TIMEOUT_SECONDS, f"with a full queue liveness takes {slowest:.1f} s"


@requirement("OIP-REST-HLTH-012", name="loading")
def test_a_server_that_loads_a_model_is_live(target: Target) -> None:
    """To kill a server that still loads makes it begin again."""
    with target.fresh("slow_load", ready=False) as instance:
        rest = instance.target.rest
        answers: list[Exchange] = []
        for answer in asking(instance, lambda: rest.get("/v2/health/live"), NOT_SERVED):
            answers += [answer] if answer.failure is None else []
            served = identity(instance, "slow_load").status == 200
            if answers and (served or len(answers) >= ENOUGH):
                break

    if len(answers) == 1:
        raise NotApplicable("the server answers nothing while it loads a model")
    for answer in answers:
        answer.must_succeed()


@requirement("K8S-PROBE-003", name="load", kind="saturating", fixtures=["spin"])
def test_load_is_no_reason_to_be_killed(target: Target) -> None:
    """A kubelet that kills under load turns a peak into an outage."""
    answers = while_saturated(target, lambda: target.probe("live"), times=1)

    failed = [answer for answer in answers if not succeeds(answer)]
    assert not failed, f"under load liveness answers {_how(failed[0])}"


@requirement("K8S-PROBE-004", fixtures=[HARMED])
def test_a_deadlocked_server_is_not_live(target: Target) -> None:
    """Nothing but a restart helps it, and only liveness brings that about."""
    budget = float(target.claim("probes", "liveness_seconds", BUDGET_SECONDS))
    with target.fresh(HARMED, harmed=True) as instance:
        live = instance.target.probe("live")
        assert succeeds(live), f"liveness answers {_how(live)} before anything was done"
        target.record("deadlocked by", deadlock(instance))
        await_yes(
            instance,
            lambda: not succeeds(instance.target.probe("live", timeout=TIMEOUT_SECONDS)),
            "liveness did not fail",
            within=budget,
        )


def _how(exchange: Exchange) -> str:
    return exchange.failure or f"{exchange.status} after {exchange.seconds:.1f} s"
