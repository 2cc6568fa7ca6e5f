"""Readiness of a server that cannot serve any more, and that can again."""

from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from .harming import HARMED, must_return, must_turn_false
from .kubelet import succeeds


@requirement("OIP-REST-HLTH-013", fixtures=[HARMED])
def test_a_server_that_lost_a_model_is_not_ready(target: Target) -> None:
    """A balancer takes away a server that cannot do its work, unless ready means something else."""
    meaning = target.claim("probes", "ready_means")
    if meaning is not None:
        target.record("ready means", meaning)
        return
    with target.fresh(HARMED, harmed=True) as instance:
        rest = instance.target.rest
        must_turn_false(instance, lambda: rest.get("/v2/health/ready").status == 200)


@requirement("K8S-PROBE-005", fixtures=[HARMED])
def test_readiness_is_false_without_an_engine_and_comes_back(target: Target) -> None:
    """A service sends nothing to a pod that cannot answer, and sends again when it can."""
    with target.fresh(HARMED, harmed=True) as instance:

        def ready() -> bool:
            return succeeds(instance.target.probe("ready"))

        loss = must_turn_false(instance, ready)
        must_return(instance, ready, loss)
        assert instance.alive() is None, f"it did not recover by itself: {instance.alive()}"
