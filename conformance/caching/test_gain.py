"""What a cache is for: repeated work is answered sooner."""

from functools import partial
from statistics import median

from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..questions import spin_of
from .asking import caching, nonce, slow

EXECUTION = 0.02
ROUNDS = 15
SHARE = 0.5


@requirement("GUIDE-007", kind="saturating")
def test_a_hit_is_answered_sooner_than_the_work_is_done(target: Target) -> None:
    """An operator pays for a cache, and clients feel it."""
    caching(target)
    iterations = spin_of(target, EXECUTION, partial(slow, "cached_spin"))
    misses, hits = [], []
    for _ in range(ROUNDS):
        question = slow("cached_spin", iterations)
        first, again = question.ask(target), question.ask(target)
        assert nonce(first) == nonce(again), "the same request is computed again"
        misses.append(first.seconds)
        hits.append(again.seconds)

    for kind, seconds in (("hit", hits), ("miss", misses)):
        target.record(f"median of a {kind}", f"{median(seconds) * 1000:.1f} ms")
    assert median(hits) <= SHARE * median(misses), (
        f"a hit takes {median(hits) * 1000:.1f} ms, the work {median(misses) * 1000:.1f} ms"
    )
