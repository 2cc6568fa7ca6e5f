"""While the server starts: nobody is told that it can serve before it can."""

import signal
import statistics
import time
from typing import Literal, TypeAlias

from servespec.target.exchange import Exchange
from servespec.target.instance import Instance
from servespec.target.outcomes import NotApplicable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..strategies import request, tensor
from .kubelet import asking, await_yes, succeeds
from .loading import NOT_SERVED, identity, must_name, says_false

Probe: TypeAlias = Literal["ready", "startup"]

STARTS = 3
RESTARTS = 5
FIRST_TO_LATER = 5.0
"""Binding: how many times longer the first answer may take, at the median."""
FIRST_SECONDS = 0.020
"""Binding: what is as fast as this needs no warming, at the median."""
ENOUGH = 20
KILLED_SECONDS = 10.0


@requirement("OIP-REST-HLTH-002")
def test_a_server_is_not_ready_before_all_its_models(target: Target) -> None:
    """A balancer sends no request to a server that still loads what is asked for."""
    with target.fresh("slow_load", "identity_fp32", ready=False) as instance:
        rest = instance.target.rest
        await_yes(
            instance, lambda: rest.get("/v2/health/ready").status == 200, "the server was not ready"
        )
        paths = [f"{rest.model_path(name, '')}/ready" for name in ("slow_load", "identity_fp32")]
        answers = {path: rest.get(path).status for path in paths}

    late = [path for path, status in answers.items() if status != 200]
    assert not late, f"the server was ready while {late[0]} answered {answers[late[0]]}"


@requirement("OIP-REST-HLTH-003")
def test_what_is_false_is_no_success(target: Target) -> None:
    """A kubelet reads the status only: false with status 200 is true to it."""
    falses: list[Exchange] = []
    with target.fresh("slow_load", ready=False) as instance:
        rest = instance.target.rest
        paths = ("/v2/health/ready", f"{rest.model_path('slow_load', '')}/ready")
        for answers in asking(instance, lambda: [rest.get(path) for path in paths], NOT_SERVED):
            falses += filter(says_false, answers)
            if len(falses) >= ENOUGH or answers[0].status == 200:
                break

    if not falses:
        raise NotApplicable("the server says nothing of its health before it is ready")
    for exchange in falses:
        false = not 200 <= exchange.status < 400
        assert false, f"{exchange.asked}: says false with {exchange.status}"
    target.record("status of false while loading", falses[0].status)


@requirement("OIP-REST-HLTH-010")
def test_a_model_that_says_ready_is_served(target: Target) -> None:
    """A client that waited for a model can ask it at once, after every start."""
    for model in ("slow_load", "identity_fp32", "identity_fp32"):
        with target.fresh(model, ready=False) as instance:
            _must_keep_its_word(instance, model)


def _must_keep_its_word(instance: Instance, model: str) -> None:
    rest = instance.target.rest
    path = f"{rest.model_path(model, '')}/ready"
    await_yes(instance, lambda: rest.get(path).status == 200, f"{path} was not 200")
    identity(instance, model).must_succeed()


@requirement("K8S-PROBE-002", name="serving")
def test_startup_and_readiness_fail_until_the_model_can_serve(target: Target) -> None:
    """A startup probe that succeeds early ends the patience that a slow load needs."""
    waiting: list[Probe] = ["ready", "startup"] if target.has_startup_probe else ["ready"]
    with target.fresh("slow_load", ready=False) as instance:
        for _ in asking(instance, lambda: None, NOT_SERVED):
            for probe in [name for name in waiting if succeeds(instance.target.probe(name))]:
                served = identity(instance, "slow_load")
                assert served.status == 200, f"the {probe} probe succeeds, an inference does not"
                waiting.remove(probe)
            if not waiting:
                break


@requirement("K8S-PROBE-002", name="budget")
def test_the_startup_budget_covers_the_start(target: Target) -> None:
    """A budget that is too short kills a server that was about to be ready, again and again."""
    budget = target.claim("probes", "startup_seconds")
    longest = 0.0
    for _ in range(STARTS):
        with target.fresh(ready=False) as instance:
            longest = max(longest, _await_ready(instance))
        target.record("longest start until ready, s", f"{longest:.2f}")
        if budget is not None:
            assert longest <= budget, f"ready after {longest:.1f} s, {budget:g} s are claimed"

    if budget is None:
        raise NotApplicable("the target claims no probes.startup_seconds")


def _await_ready(instance: Instance) -> float:
    """Seconds from the start to the first success of readiness, asked every 10 ms."""
    await_yes(
        instance, lambda: succeeds(instance.target.probe("ready")), "readiness did not succeed"
    )
    return time.monotonic() - instance.started


@requirement("K8S-PROBE-009")
def test_a_restarted_server_is_not_ready_at_first(target: Target) -> None:
    """What a killed server left behind must not vouch for the next one."""
    with target.fresh("slow_load", ready=False) as killed:
        _await_ready(killed)
        killed.signal(signal.SIGKILL)
        killed.exit(within=KILLED_SECONDS)
    with target.fresh("slow_load", ready=False) as instance:
        first = instance.target.probe("ready")
        assert not succeeds(first), "readiness succeeds at the first look after kill -9"
        _await_ready(instance)
        identity(instance, "slow_load").must_succeed()


@requirement("OIP-REST-ERR-013", name="loading")
def test_a_model_that_loads_is_named_in_the_refusal(target: Target) -> None:
    """Who asks too early learns that it is too early, not that the server is broken."""
    refusals: list[Exchange] = []
    with target.fresh("slow_load", ready=False) as instance:
        rest = instance.target.rest

        def both() -> tuple[Exchange, Exchange]:
            return rest.model_metadata("slow_load"), identity(instance, "slow_load")

        for answers in asking(instance, both, NOT_SERVED):
            if answers[-1].status == 200 or len(refusals) >= ENOUGH:
                break
            refusals += [answer for answer in answers if answer.failure is None]

    if not refusals:
        raise NotApplicable("the server answers nothing while the model loads")
    for refusal in refusals:
        must_name(refusal, "slow_load")


@requirement("GUIDE-001")
def test_the_first_answer_is_as_fast_as_later_ones(target: Target) -> None:
    """The first user after a restart does not pay for what could be done before."""
    firsts, laters = [], []
    for _ in range(RESTARTS):
        with target.fresh("digits_fp32") as instance:
            times = [_digit(instance) for _ in range(20)]
        firsts.append(times[0])
        laters += times[9:]
    first, later = statistics.median(firsts), statistics.median(laters)
    target.record("median first answer after ready, ms", f"{first * 1e3:.1f}")
    target.record("median of answers 10 to 20, ms", f"{later * 1e3:.1f}")

    bound = max(FIRST_SECONDS, FIRST_TO_LATER * later)
    assert first <= bound, (
        f"the first answer takes {first * 1e3:.0f} ms, later ones {later * 1e3:.1f} ms"
    )


def _digit(instance: Instance) -> float:
    body = request(tensor("x", "FP32", [1, 64], [0.5] * 64))
    return instance.target.rest.infer("digits_fp32", body).must_succeed().seconds
