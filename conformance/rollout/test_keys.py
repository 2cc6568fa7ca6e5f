"""Who stays where: keys, and versions that are asked for by name."""

from collections.abc import Mapping

from grpc import StatusCode

from servespec.target.outcomes import NotApplicable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from .asking import FIXTURE, asked, asked_over_grpc, computed_by, key_claim, weights, with_key

KEYS = tuple(f"user-{number}" for number in range(24))
ROUNDS = 8


@requirement("ROLL-002", name="kept", kind="saturating", fixtures=[FIXTURE])
def test_a_key_stays_on_its_version(target: Target) -> None:
    """A user who has seen the new version does not fall back to the old one at the next click."""
    key_claim(target)

    seen: dict[str, set[str]] = {key: set() for key in KEYS}
    for _ in range(ROUNDS):  # between two requests of one key come those of all others
        answers = asked(target, [with_key(target, key) for key in KEYS])
        for key, answer in zip(KEYS, answers, strict=True):
            seen[key].add(computed_by(answer))

    torn = {key: sorted(versions) for key, versions in seen.items() if len(versions) > 1}
    assert not torn, f"{len(torn)} of {len(KEYS)} keys have several versions: {_first(torn)}"


@requirement("ROLL-002", name="planes", fixtures=[FIXTURE])
def test_a_key_has_one_version_over_both_planes(target: Target) -> None:
    """A user is in one variant, whichever of the two an application speaks."""
    place, name = key_claim(target)
    if place != "header":
        raise NotApplicable("the key is no header")
    over_grpc = {key: asked_over_grpc(target, {name: key}) for key in KEYS}

    over_rest = asked(target, [with_key(target, key) for key in KEYS])

    pairs = zip(over_grpc.items(), over_rest, strict=True)
    other = {
        key: [computed_by(call), computed_by(answer)]
        for (key, call), answer in pairs
        if computed_by(call) != computed_by(answer)
    }
    assert not other, f"{len(other)} of {len(KEYS)} keys have two versions: {_first(other)}"


@requirement("ROLL-008", name="served", fixtures=[FIXTURE])
def test_a_version_that_is_asked_for_in_a_header_answers(target: Target) -> None:
    """A tester reaches the new version before anybody else does, by the same address."""
    header = _override(target)

    for version in weights(target):
        answers = asked(target, [{"headers": {header: version}}] * ROUNDS)
        found = {computed_by(answer) for answer in answers}
        assert found == {version}, f"{header}: {version} is answered by {sorted(found)}"


@requirement("ROLL-008", name="unknown", fixtures=[FIXTURE])
def test_a_version_that_is_not_there_is_not_replaced_by_another(target: Target) -> None:
    """A tester who misspells a version is told so, and does not test another one."""
    header = _override(target)

    for answer in asked(target, [{"headers": {header: "99"}}] * ROUNDS):
        answer.must_be_client_error()


@requirement("ROLL-008", name="over gRPC", fixtures=[FIXTURE])
def test_a_version_that_is_asked_for_in_metadata_answers(target: Target) -> None:
    """A tester reaches the new version over gRPC too, or is told that this is not possible."""
    header = _override(target)

    for version in weights(target):
        call = asked_over_grpc(target, {header: version})
        found = computed_by(call)
        assert found == version, f"{header}: {version} is answered by version {found}"
    assert asked_over_grpc(target, {header: "99"}).code is not StatusCode.OK


def _override(target: Target) -> str:
    weights(target)
    header = target.claim("rollout", "override_header")
    if not header:
        raise NotApplicable("the target claims no header that asks for a version")
    return str(header)


def _first(found: Mapping[str, list[str]]) -> str:
    key = min(found)
    return f"{key} versions {' and '.join(found[key])}"
