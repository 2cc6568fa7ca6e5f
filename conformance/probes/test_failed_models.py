"""A model that cannot be loaded, or fails: the server says so, and is not killed for it."""

from collections.abc import Callable

from servespec.target.exchange import Exchange
from servespec.target.outcomes import NotApplicable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..strategies import SCALAR, request, tensor
from .kubelet import succeeds
from .loading import answers_until_settled, must_name

FAILURES = 5


@requirement("OIP-REST-HLTH-011")
def test_a_server_whose_only_model_failed_to_load_is_never_ready(target: Target) -> None:
    """All of nothing is true, but a server that can serve nothing is not ready."""
    answers = _without_a_model(target, lambda its: its.rest.get("/v2/health/ready"))

    assert 200 not in {answer.status for answer in answers}, "ready, but its model did not load"


@requirement("K8S-PROBE-001", name="failure")
def test_readiness_without_a_model_is_a_failure_to_a_kubelet(target: Target) -> None:
    """A kubelet takes every status from 200 to 399 for success."""
    answers = _without_a_model(target, lambda its: its.probe("ready"))

    taken = {answer.status for answer in answers if succeeds(answer)}
    assert not taken, f"the only model did not load, but readiness answers {taken}"


@requirement("K8S-PROBE-003", name="failed load")
def test_a_model_that_did_not_load_is_no_reason_to_be_killed(target: Target) -> None:
    """The file would be as broken after the restart."""
    answers = _without_a_model(target, lambda its: its.probe("live"))

    if not answers:
        raise NotApplicable("the server does not run on when a model fails to load")
    last = answers[-1]  # before it, the start may not have been over
    assert succeeds(last), f"liveness answers {last.status} because a model did not load"


def _without_a_model(target: Target, ask: Callable[[Target], Exchange]) -> list[Exchange]:
    """What a server whose only model cannot be loaded answers, and how it ends is recorded."""
    with target.fresh("broken", ready=False) as instance:
        answers = answers_until_settled(instance, lambda: ask(instance.target))
        target.record("when its only model does not load", instance.alive() or "the server runs on")
    return answers


@requirement("K8S-PROBE-003", name="failing model", fixtures=["fail"])
def test_a_model_that_fails_is_no_reason_to_be_killed(target: Target) -> None:
    """What one client sends to one model must not restart the server of all the others."""
    poison = request(tensor("x", "FP32", [1, 1], [1.0]))
    for _ in range(FAILURES):
        refused = target.rest.infer("fail", poison).must_answer_at_all()
        assert refused.status >= 400, f"an inference that fails was answered {refused.status}"
        live = target.probe("live")
        assert succeeds(live), f"liveness answers {live.status} after an inference failed"


@requirement("OIP-REST-ERR-013", name="failed")
def test_a_model_that_did_not_load_is_named_in_the_refusal(target: Target) -> None:
    """Who asks for it learns which model is missing, not that the whole server is broken."""
    with target.fresh("broken", ready=False) as instance:
        rest = instance.target.rest
        seen = answers_until_settled(instance, lambda: rest.model_metadata("broken"))
        if not seen or instance.alive():
            raise NotApplicable("the server does not run on when a model fails to load")
        inferred = rest.infer("broken", request(SCALAR))

    for exchange in (seen[-1], inferred):
        must_name(exchange, "broken")
