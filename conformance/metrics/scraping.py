"""Scrapes, and what rose between two of them."""

import time
from collections.abc import Callable, Mapping, Sequence

from servespec.target.outcomes import Nonconformance, Untestable
from servespec.target.target import Target

from .exposition import Page, Sample, Series, read

__all__ = [
    "await_page",
    "must_rise_by",
    "quiet",
    "rises",
    "scraped",
    "series_of",
    "total_of",
    "total_rise",
]

POLL_SECONDS = 0.05
STILL_SECONDS = 0.1
"""Harness: what nobody asks for stands still for so long."""
SETTLE_SECONDS = 5.0
LATE_SECONDS = 2.0
"""Binding: a request is in the metrics so many seconds after its answer."""


def scraped(target: Target, *names: str) -> Page:
    """The metrics now, in the text format of Prometheus; FAIL unless they are answered.

    Given `names`, only the samples that begin so.
    """
    exchange = target.scrape().must_succeed()
    try:
        return read(exchange.body.decode(), names)
    except UnicodeDecodeError as error:
        raise Nonconformance(f"{exchange.asked}: the metrics are not UTF-8: {error}") from None


def quiet(target: Target) -> None:
    """Wait until what was asked before is counted: the mapped counters stand still.

    Raises:
        Untestable: they do not, so that somebody else asks the server.
    """
    deadline = time.monotonic() + SETTLE_SECONDS
    page = scraped(target, *_counters(target))
    while time.monotonic() < deadline:
        time.sleep(STILL_SECONDS)
        before, page = page, scraped(target, *_counters(target))
        if not rises(before, page, *_counters(target)):
            return
    raise Untestable("the request counters rise although nothing is asked: somebody else does")


def await_page(target: Target, holds: Callable[[Page], bool], *names: str) -> Page:
    """The first page of which it holds, or the last one before it was too late."""
    deadline = time.monotonic() + LATE_SECONDS
    page = scraped(target, *names)
    while not holds(page) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        page = scraped(target, *names)
    return page


def rises(before: Page, after: Page, *names: str) -> list[tuple[Sample, float]]:
    """The samples of these names that another value has than before, and by how much it is more."""
    old: Mapping[Series, float] = {sample.series: sample.value for sample in before.of(*names)}
    found = [(sample, sample.value - old.get(sample.series, 0.0)) for sample in after.of(*names)]
    return [(sample, rise) for sample, rise in found if rise]


def must_rise_by(
    target: Target, count: int, what: str, ask: Callable[[], None], *names: str
) -> Sequence[Sample]:
    """The series of these names that rise while `ask` makes so many requests.

    FAIL unless they rise by exactly that.
    """
    quiet(target)
    before = scraped(target, *names)
    ask()
    after = await_page(target, lambda page: total_rise(before, page, *names) == count, *names)
    risen = rises(before, after, *names)
    found = total_rise(before, after, *names)
    where = " and ".join(names)
    assert after.of(*names), f"the metrics have no {where}"
    assert found == count, f"{count} {what} raised {where} by {found:g}"
    return [sample for sample, _ in risen]


def total_rise(before: Page, after: Page, *names: str) -> float:
    """By how much all samples of these names together are more than before."""
    return sum(rise for _, rise in rises(before, after, *names))


def _counters(target: Target) -> list[str]:
    named = target.metrics
    names = named.requests, named.failures, f"{named.request_seconds}_count"
    return [name for name in names if name]


def series_of(target: Target, page: Page, name: str, fixture: str) -> list[Sample]:
    """The samples of a metric that are labelled with the target's name of a fixture's model."""
    model = target.fixture(fixture).model
    return [one for one in page.of(name) if one.label(target.metrics.model_label) == model]


def total_of(target: Target, page: Page, name: str, fixture: str) -> float:
    """What a metric says of a fixture's model; of all where it has no label for models."""
    samples = page.of(name)
    if any(one.label(target.metrics.model_label) for one in samples):
        samples = series_of(target, page, name, fixture)
    return sum(one.value for one in samples)
