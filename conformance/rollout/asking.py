"""Requests that name no version, and which version computed their answers.

What computed an answer is read from its values, never from what the answer says of itself: version
1 of the fixture `routed` answers 1, version 2 answers 2.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from grpc import StatusCode

from servespec.target.exchange import Exchange, GrpcExchange
from servespec.target.outcomes import NotApplicable, Untestable
from servespec.target.target import Target

from ..grpc.messages import fp32
from ..judging import answered_together
from ..strategies import SCALAR, request

__all__ = [
    "FIXTURE",
    "asked",
    "asked_over_grpc",
    "computed_by",
    "key_claim",
    "named",
    "weights",
    "with_key",
]

FIXTURE = "routed"


def weights(target: Target) -> Mapping[str, float]:
    """What each version of `routed` is claimed to get; NotApplicable without such a claim."""
    versions = target.claim("rollout", "versions", [])
    given = target.claim("rollout", "weights", [])
    if not versions:
        raise NotApplicable("the target claims no weights for the versions of routed")
    if len(versions) != len(given):
        raise Untestable("[claims.rollout] expected as many weights as versions")
    return {str(version): float(weight) for version, weight in zip(versions, given, strict=True)}


def key_claim(target: Target) -> tuple[str, str]:
    """Where a request has its key, "header" or "parameter", and its name there."""
    weights(target)
    if header := target.claim("rollout", "sticky_header"):
        return "header", str(header)
    if parameter := target.claim("rollout", "sticky_parameter"):
        return "parameter", str(parameter)
    raise NotApplicable("the target claims no key that keeps a client on a version")


def with_key(target: Target, key: str) -> dict[str, Any]:
    """What is added to a request for it to have a key: arguments of `asked`."""
    place, name = key_claim(target)
    return {"headers": {name: key}} if place == "header" else {"parameters": {name: key}}


def _ask(
    target: Target, headers: Mapping[str, str] | None = None, version: str = "", **members: Any
) -> Exchange:
    body = request(SCALAR, **members)
    return target.rest.infer(FIXTURE, body, version=version, headers=headers or {})


def asked(target: Target, requests: Sequence[Mapping[str, Any]]) -> list[Exchange]:
    """The answers to `routed`, some requests at a time; each has what is added to it."""
    calls = [partial(_ask, target, **each) for each in requests]
    found = answered_together(target, calls)
    if len(found) < len(requests):
        raise Untestable(f"{len(requests) - len(found)} of {len(requests)} requests were refused")
    return [answer for _, answer in found]


def asked_over_grpc(
    target: Target, headers: Mapping[str, str] | None = None, **members: Any
) -> GrpcExchange:
    """The answer over gRPC; headers travel as metadata. NotApplicable without that plane."""
    try:
        plane = target.grpc
    except Untestable as missing:
        raise NotApplicable(str(missing)) from None
    metadata = tuple((name.lower(), value) for name, value in (headers or {}).items())
    x = fp32("x", 1.0)
    call = plane.infer(FIXTURE, inputs=[x], version="", metadata=metadata, **members)
    if call.code is StatusCode.UNIMPLEMENTED:
        raise NotApplicable("the target does not infer over gRPC")
    return call


def computed_by(answer: Exchange | GrpcExchange) -> str:
    """The version that computed an answer, as its value tells."""
    return f"{answer.must_succeed().array('y').ravel()[0]:g}"


def named(target: Target, answer: Exchange) -> Mapping[str, str]:
    """The version that an answer names, by where it does; a missing one is left out."""
    said = {"model_version": answer.must_succeed().json().get("model_version")}
    header = target.claim("rollout", "version_header")
    if header:
        said[str(header)] = answer.header(str(header))
    return {place: str(version) for place, version in said.items() if version}
