"""What a shadow sees, and that nobody sees the shadow.

Version 1 of the fixture `shadowed` echoes at once. Version 2, its shadow, is slow, answers another
value, and fails where it is asked for less than 0.
"""

import time
from functools import partial

from servespec.target.exchange import Exchange
from servespec.target.outcomes import NotApplicable, Untestable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..judging import answered_together
from ..metrics.scraping import quiet, rises, scraped
from ..questions import Question, executions_between, spin_of
from ..strategies import request, tensor

FIXTURE = "shadowed"
REQUESTS = 20
SLOW = 0.3
"""Seconds that the shadow takes for a request that is to find it slow."""
SLOW_REQUESTS = 8
LATE = 5.0
"""Seconds after which copies should have been computed."""


def _asking(iterations: int, version: str | None = None) -> Question:
    x = tensor("iterations", "INT64", [1, 1], [iterations])
    return Question(FIXTURE, request(x), version)


def _shadowed(target: Target) -> None:
    if not target.claim("rollout", "shadow", False):
        raise NotApplicable("the target claims no shadow for shadowed")


def _mirrored(target: Target, iterations: int, count: int) -> list[Exchange]:
    """The answers to so many requests that are mirrored."""
    found = answered_together(target, [partial(_asking(iterations).ask, target)] * count)
    return [answer for _, answer in found]


def _must_be_of_version_1(answer: Exchange, iterations: int) -> None:
    came = answer.must_succeed().values("y")
    assert came == [iterations], f"{iterations} is answered as {came}, which is not version 1's"
    named = answer.json().get("model_version", "1")
    assert named == "1", f"an answer names version {named}"


@requirement("ROLL-004", name="answer", kind="saturating", fixtures=[FIXTURE])
def test_the_answer_is_never_the_shadows(target: Target) -> None:
    """A client gets the version in service, whatever is tried out behind it."""
    _shadowed(target)

    for answer in _mirrored(target, 1, REQUESTS):
        _must_be_of_version_1(answer, 1)


@requirement("ROLL-004", name="failure", kind="saturating", fixtures=[FIXTURE])
def test_a_shadow_that_fails_fails_nobody(target: Target) -> None:
    """A client is served as before while the version that is tried out fails at everything."""
    _shadowed(target)
    if _asking(-1, "2").ask(target).status == 200:
        raise Untestable("version 2 of shadowed does not fail")

    for answer in _mirrored(target, -1, REQUESTS):
        _must_be_of_version_1(answer, -1)


@requirement("ROLL-004", name="latency", kind="saturating", fixtures=[FIXTURE])
def test_a_slow_shadow_is_waited_for_by_nobody(target: Target) -> None:
    """A client is answered as fast as before while the version that is tried out is slow."""
    _shadowed(target)
    iterations = spin_of(target, SLOW, partial(_asking, version="2"))

    answers = [_asking(iterations).ask(target) for _ in range(SLOW_REQUESTS)]

    for answer in answers:
        _must_be_of_version_1(answer, iterations)
    slowest = max(answer.seconds for answer in answers)
    target.record("slowest answer beside a slow shadow", f"{slowest * 1e3:.1f} ms")
    assert slowest < SLOW / 2, (
        f"an answer took {slowest:.3f} s beside a shadow that takes {SLOW:g} s for each"
    )


@requirement("ROLL-005", name="executed", kind="saturating", fixtures=[FIXTURE])
def test_the_shadow_sees_the_traffic(target: Target) -> None:
    """An operator who finds no difference has compared something."""
    _shadowed(target)
    before = _asking(0, "2").ask(target).must_succeed()
    count = len(_mirrored(target, 0, REQUESTS))

    deadline, executions, asked = time.monotonic() + LATE, 0, 0
    while executions < count and time.monotonic() < deadline:
        after = _asking(0, "2").ask(target).must_succeed()
        between = executions_between(before, after)
        if between is None:
            raise Untestable("the executions of version 2 of shadowed cannot be counted")
        executions, asked = between - asked, asked + 1  # this check's own are no copies
    assert executions == count, f"{count} requests were mirrored, {executions} executed"


@requirement("ROLL-005", name="counted", kind="saturating", fixtures=[FIXTURE])
def test_copies_are_counted_apart_from_requests(target: Target) -> None:
    """An operator reads how many clients a version has, and not how often it was tried out."""
    _shadowed(target)
    shadow = target.metrics.shadow
    if shadow is None:
        raise Untestable("[metrics] names no counter of mirrored requests")
    quiet(target)
    names = target.metrics.requests, shadow
    before = scraped(target, *names)

    count = len(_mirrored(target, 1, REQUESTS))

    def risen(name: str, version: str) -> float:
        label = target.metrics.version_label
        found = rises(before, scraped(target, *names), name)
        return sum(rise for sample, rise in found if sample.label(label) == version)

    deadline = time.monotonic() + LATE
    while risen(shadow, "2") < count and time.monotonic() < deadline:
        pass
    assert risen(shadow, "2") == count, f"{count} copies are counted as {risen(shadow, '2'):g}"
    assert risen(names[0], "1") == count, f"{count} requests are {risen(names[0], '1'):g}"
    assert not risen(names[0], "2"), f"{risen(names[0], '2'):g} copies are counted as requests"
