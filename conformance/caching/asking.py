"""Requests that nobody has asked before, and whether an answer comes from an execution seen before.

Whatever is asked is drawn anew: a server that was judged before may still have the answers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from secrets import randbelow
from typing import Any

from grpc import StatusCode

from servespec.target.exchange import Exchange, GrpcExchange
from servespec.target.grpc import GrpcPlane
from servespec.target.outcomes import NotApplicable, Untestable
from servespec.target.target import Target
from servespec.wire import proto as pb

from ..grpc.messages import typed
from ..questions import Question, spin_of
from ..strategies import request, tensor

__all__ = [
    "AWKWARD_IDS",
    "asking",
    "caching",
    "changed",
    "coalescing",
    "must_answer_outputs",
    "must_be_apart",
    "nonce",
    "over_grpc",
    "remembered",
    "returned_ids",
    "slow",
    "slow_of",
    "twins",
    "unused",
]

PLAIN_IDS = ("plain", "42", "null", "true", " ", " padded ", "*", "a,b", "x" * 256)
QUOTED_IDS = (
    '"quoted"',
    "back\\slash",
    "tab\tand\nnewline\r\n",
    "\u0001\u001f\u007f",
    '{"id": "other"}',
)
PATH_IDS = ("../../etc", "a/b?c=d&e#f", "%00%0a")
FOREIGN_IDS = (
    "ünïcödé",
    "中文",
    "\u202eright to left",
    "e\u0301 and \u00e9",
    "\u2028\u2029",
    "🦊" * 8,
)
AWKWARD_IDS = (*PLAIN_IDS, *QUOTED_IDS, *PATH_IDS, *FOREIGN_IDS)
"""Names that a client may give its request, each of which breaks somebody's quoting."""

WHOLE = 1 << 24
"""FP32 has all whole numbers below."""


def caching(target: Target) -> None:
    """Raise NotApplicable for a target that does not say that it keeps answers."""
    if not target.claims("caching") or not target.claim("caching", "cached", True):
        raise NotApplicable("the target claims no cache")


def coalescing(target: Target) -> None:
    """Raise NotApplicable for a target that does not say that it coalesces."""
    if not target.claim("caching", "coalescing", False):
        raise NotApplicable("the target does not claim that identical requests in flight run once")


def asking(target: Target, fixture: str) -> None:
    """Raise NotApplicable where the target does not claim what the fixture is there for."""
    (coalescing if fixture == "coalesced" else caching)(target)


def over_grpc(target: Target) -> GrpcPlane:
    """The gRPC plane, connected, so that a deadline is the server's; NotApplicable without it."""
    try:
        plane = target.grpc
    except Untestable as missing:
        raise NotApplicable(str(missing)) from None
    plane.call("ServerLive", pb.ServerLiveRequest())
    return plane


def unused(count: int = 2) -> list[float]:
    """Whole numbers that nobody has asked before."""
    return [float(randbelow(WHOLE)) for _ in range(count)]


def remembered(
    values: Sequence[float], fixture: str = "cached", version: str | None = None, **more: Any
) -> Question:
    """Asks a `witness` behind a cache for a row of each value."""
    x = tensor("x", "FP32", [len(values), 1], values)
    return Question(fixture, request(x, **more), version)


def twins(target: Target) -> list[Question]:
    """The same body to two models, of the same version where there are versions."""
    values = unused()
    pinned = remembered(unused(), version="1").ask(target).status == 200
    return [
        remembered(values, "cached", "1" if pinned else None),
        remembered(values, "cached_twin"),
    ]


def returned_ids(target: Target, over: str = "rest") -> list[str]:
    """The awkward ids that come back from a model without a cache; the others say nothing of one.

    Raises:
        Untestable: there are none.
    """
    ask = _id_over_grpc if over == "grpc" else _id_over_rest
    ids = [id for id in AWKWARD_IDS if ask(target, id) == id]
    if not ids:
        raise Untestable("no id comes back, whichever model is asked")
    if len(ids) < len(AWKWARD_IDS):
        target.record("ids that no model returns", len(AWKWARD_IDS) - len(ids))
    return ids


def _id_over_rest(target: Target, id: str) -> object:
    answer = remembered([0.0], "witness", id=id).ask(target)
    return answer.json().get("id") if answer.status == 200 else None


def _id_over_grpc(target: Target, id: str) -> object:
    x = typed("x", "FP32", [1, 1], [0.0])
    call = target.grpc.infer("witness", inputs=[x], id=id)
    return call.message.id if call.code is StatusCode.OK else None


def slow(fixture: str, iterations: int, **more: Any) -> Question:
    """Asks a `spin` that tells its executions for so many iterations, as nobody has before."""
    x = tensor("iterations", "INT64", [2, 1], [iterations, -1 - randbelow(1 << 40)])
    return Question(fixture, request(x, **more))


def slow_of(target: Target, fixture: str, seconds: float) -> Question:
    """A request that takes so long, and that nobody has asked before."""
    return slow(fixture, spin_of(target, seconds, partial(slow, fixture)))


def changed(question: Question, version: str | None = None, **more: Any) -> Question:
    """The same request with other members, such as its id."""
    body = {**question.body, **more}
    return replace(question, body=body, version=version or question.version)


def nonce(exchange: Exchange | GrpcExchange) -> float:
    """Which execution an answer tells of; FAIL unless it is one."""
    return float(exchange.must_succeed().array("nonce").ravel()[0])


def must_be_apart(answers: Iterable[tuple[str, Exchange | GrpcExchange]]) -> None:
    """FAIL where two answers, each with what is asked in words, tell of the same execution."""
    seen: dict[float, str] = {}
    for asked, exchange in answers:
        other = seen.setdefault(nonce(exchange), asked)
        assert other == asked, f"{asked} got the answer to {other}"


def must_answer_outputs(question: Question, answer: Exchange, names: Sequence[str]) -> None:
    """FAIL unless the answer has these outputs alone, each with what belongs into it."""
    count = len(answer.must_succeed().answer("outputs"))
    assert count == len(names), f"asked for {', '.join(names)}, got {count} outputs"
    values = {name: answer.array(name).ravel().tolist() for name in names}
    wanted = question.body["inputs"][0]["data"]
    assert values.get("y", wanted) == wanted, f"y is {values.get('y')}, not {wanted}"
    ticks = values.get("tick", [])
    assert all(0 <= tick < 1 for tick in ticks), f"tick is {ticks}, which is another output's"
