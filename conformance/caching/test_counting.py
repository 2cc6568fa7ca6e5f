"""The counters of a cache: each request is a hit or a miss."""

from collections.abc import Sequence

from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..metrics.scraping import must_rise_by
from ..questions import Question
from .asking import caching, nonce, remembered, unused

REQUESTS = 5
TIMES = 3


@requirement("CACHE-009")
def test_hits_and_misses_are_counted_and_add_up(target: Target) -> None:
    """An operator reads off what the cache is worth."""
    caching(target)
    questions = [remembered(unused()) for _ in range(REQUESTS)]

    missed = _rising(target, "requests asked for the first time", questions)
    hit = _rising(target, "requests asked again", questions * TIMES)
    both = sorted(set(missed) & set(hit))
    assert not both, f"{both[0]} counts those who hit and those who miss"


def _rising(target: Target, what: str, questions: Sequence[Question]) -> list[str]:
    """The series that count these requests; FAIL unless they count each of them once."""

    def ask() -> None:
        for question in questions:
            nonce(question.ask(target))

    names = dict.fromkeys((target.metrics.cache_hits, target.metrics.cache_misses))
    return [str(sample) for sample in must_rise_by(target, len(questions), what, ask, *names)]
