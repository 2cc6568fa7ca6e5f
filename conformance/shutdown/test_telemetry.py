"""What is known of the last requests when the server is gone."""

from servespec.target.outcomes import Invalid, NotApplicable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..metrics.exposition import Series
from ..metrics.scraping import must_rise_by, scraped
from ..strategies import SCALAR, request
from .ending import delay_seconds, ending, grace_seconds, must_be_answered

BEFORE, LAST = 7, 4
"""Requests that are answered before the signal, and that are sent right behind it."""
LATE = 0.3
"""Harness: seconds after the end of the delay when the metrics are read."""
HELD = 1.5
"""Seconds of work that keep the server from its exit, beyond its delay."""


@requirement("K8S-TERM-014")
def test_the_metrics_have_counted_what_was_answered_last(target: Target) -> None:
    """An operator sees the last requests of the old version, which no other scrape has seen."""
    if not target.claims("metrics"):
        raise NotApplicable("the target claims no metrics")
    length = delay_seconds(target) + HELD
    if length > grace_seconds(target) * 0.8:
        raise Invalid(f"the grace is too short for work of {length:g} s that holds up the exit")
    with ending(target, "identity_fp32") as server:
        first = scraped(server.target)
        series = _counted(server.target)
        with server.holding(length) as held:
            server.terminate()
            answered = BEFORE + sum(_is_answered(server.target) for _ in range(LAST))
            server.wait_until(delay_seconds(target) + LATE)
            last = scraped(server.target)
            must_be_answered(held.answers(grace_seconds(target)), held.expected)

    values = [{one.series: one.value for one in page.samples} for page in (first, last)]
    counted = sum(values[1].get(one, 0.0) - values[0].get(one, 0.0) for one in series)
    target.record("requests answered behind the signal", answered - BEFORE)
    assert counted == answered, f"{answered} requests were answered, {counted:g} are counted"


def _counted(target: Target) -> set[Series]:
    """The series in which requests that are answered are counted."""

    def ask() -> None:
        for _ in range(BEFORE):
            target.rest.infer("identity_fp32", request(SCALAR)).must_succeed()

    name = target.metrics.requests
    risen = must_rise_by(target, BEFORE, "inferences of identity_fp32", ask, name)
    return {sample.series for sample in risen}


def _is_answered(target: Target) -> bool:
    return target.rest.infer("identity_fp32", request(SCALAR)).status == 200
