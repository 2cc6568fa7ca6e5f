"""Whether an answer says which version computed it, and whether that is so."""

from servespec.target.outcomes import NotApplicable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from .asking import FIXTURE, asked, asked_over_grpc, computed_by, named, weights

REQUESTS = 100


@requirement("ROLL-003", name="REST", fixtures=[FIXTURE])
def test_an_answer_names_the_version_that_computed_it(target: Target) -> None:
    """Who compares two versions counts each answer for the one that gave it."""
    weights(target)

    for answer in asked(target, [{}] * REQUESTS):
        version, said = computed_by(answer), named(target, answer)
        assert said, "an answer names no version"
        wrong = [f"{place}: {name}" for place, name in said.items() if name != version]
        assert not wrong, f"an answer that version {version} computed says {' and '.join(wrong)}"
    versions = {computed_by(answer) for answer in asked(target, [{}] * REQUESTS)}
    target.record("versions that answered", ", ".join(sorted(versions)))


@requirement("ROLL-003", name="gRPC", fixtures=[FIXTURE])
def test_a_call_names_the_version_that_computed_it(target: Target) -> None:
    """Who compares two versions over gRPC counts each answer for the one that gave it."""
    if len(weights(target)) < 2:
        raise NotApplicable("the target claims a single version")

    for _ in range(REQUESTS):
        call = asked_over_grpc(target)
        version, said = computed_by(call), call.message.model_version
        assert said == version, f"an answer that version {version} computed says {said!r}"
