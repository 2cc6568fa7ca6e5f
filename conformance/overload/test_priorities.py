"""The parameter `priority`: who is served first of those who wait."""

from collections.abc import Sequence

from servespec.target.outcomes import Invalid, Untestable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..questions import Question, asked_at, queueing, spin_of

BLOCKED = 0.4
"""Seconds for which an execution holds the queue up, so that all others wait in it."""
EXECUTION = 0.03
"""Seconds: longer than a thread of ours may be late to see its answer."""
FIRST, STEP = 0.1, 0.01
"""Seconds from the long request to the second one, and from there on to each next."""
LATE = 0.1
"""Seconds that a request may take to arrive."""
HIGH, LOW = 1, 2
UNNAMED = (0, None)
"""Both mean the default level, which is the low one of `queued`."""


@requirement("EXT-SCHED-001", name="order", kind="saturating", fixtures=["queued"])
def test_who_has_priority_is_served_first(target: Target) -> None:
    """A user who waits at the screen goes before the job of the night."""
    levels = (LOW,) * 5 + (HIGH,) * 2
    served = _served(target, levels)

    first = [levels[place] for place in served[:2]]
    assert first == [HIGH, HIGH], f"of requests of priority {levels} those of {first} came first"


@requirement("EXT-SCHED-001", name="default", kind="saturating", fixtures=["queued"])
def test_no_priority_is_the_default_one(target: Target) -> None:
    """A client that says nothing of priority, or 0, is no more and no less than others."""
    levels = (LOW, 0, LOW, None, LOW, 0, LOW)
    served = _served(target, levels)

    for place in (place for place, level in enumerate(levels) if level in UNNAMED):
        for other in (other for other, level in enumerate(levels) if level == LOW):
            in_turn = (served.index(place) < served.index(other)) == (place < other)
            assert in_turn, (
                f"of the priorities {levels}, of which {LOW} is the default, number {place + 1}"
                f" and number {other + 1} are not served as they came"
            )


def _served(target: Target, levels: Sequence[int | None]) -> list[int]:
    """The places of requests of these priorities, in the order in which they were answered."""
    long, brief = (spin_of(target, seconds, queueing) for seconds in (BLOCKED, EXECUTION))
    crowd = [_asking(brief, 1 + place, level) for place, level in enumerate(levels)]
    moments = [0.0, *(FIRST + place * STEP for place in range(len(levels)))]
    blocker, *answers = asked_at(target, moments, [queueing(long), *crowd])
    if blocker.done < moments[-1] + LATE:
        raise Invalid("the long execution was over before all the others waited")
    for answer in (blocker, *answers):
        answer.exchange.must_succeed()
    done = [answer.done for answer in answers]
    if min(done) < blocker.done:
        raise Untestable("the target runs requests side by side: none of them waits")
    return sorted(range(len(done)), key=done.__getitem__)


def _asking(iterations: int, number: int, level: int | None) -> Question:
    parameters = {} if level is None else {"parameters": {"priority": level}}
    return queueing(iterations, number, **parameters)
