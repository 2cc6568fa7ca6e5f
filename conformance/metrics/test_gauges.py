"""Gauges of the work at hand: as much as is offered, and nothing when nobody asks."""

import time

from servespec.target.outcomes import Invalid, NotApplicable, Untestable
from servespec.target.target import Target
from servespec.target.traffic import open_burst
from servespec.verdicts.requirement import requirement

from ..questions import spin_of, spinning
from .exposition import Page
from .scraping import await_page, quiet, scraped, total_of

WAITING = 7
"""Requests behind the one that is executed: with it fewer than any server refuses."""
RUN = 1.0
"""Seconds of the execution that the others wait for: time to scrape."""
MOMENT = 0.001
SETTLE = 0.2
"""Harness: seconds after which the server has read what was sent."""
PATIENCE = 20.0


@requirement("MET-012", name="in flight", kind="saturating", fixtures=["spin"])
def test_requests_in_flight_are_those_that_are_offered(target: Target) -> None:
    """An autoscaler that follows the concurrency must be told the right one."""
    name = _shown(target, target.metrics.in_flight)
    _must_be_idle(target, name)
    page, waiting = _while_busy(target)
    found = total_of(target, page, name, "spin")

    assert found == waiting + 1, f"{waiting + 1} requests are in flight, {name} says {found:g}"
    _must_be_idle(target, name)


@requirement("MET-012", name="queue", kind="saturating", fixtures=["spin"])
def test_the_queue_is_as_long_as_it_is(target: Target) -> None:
    """An autoscaler that follows the queue must be told how many wait."""
    name = _shown(target, target.metrics.queue_depth)
    _must_be_idle(target, name)
    page, waiting = _while_busy(target)
    found = total_of(target, page, name, "spin")

    if not waiting:
        raise Untestable("the target runs requests side by side: none of them waits")
    # The one that is executed may count as waiting, as it has not been answered yet.
    assert waiting <= found <= waiting + 1, f"{waiting} requests wait, {name} says {found:g}"
    _must_be_idle(target, name)


def _shown(target: Target, name: str) -> str:
    """The name of a gauge; NotApplicable where only the other one is shown."""
    page = scraped(target)
    gauges = {target.metrics.in_flight, target.metrics.queue_depth}
    shown = {gauge for gauge in gauges if gauge in page.types or page.of(gauge)}
    assert shown, f"the metrics have no gauge of the work at hand: neither {_either(gauges)}"
    if name not in shown:
        raise NotApplicable(f"the metrics have no {name}")
    return name


def _either(names: set[str]) -> str:
    return " nor ".join(sorted(names))


def _must_be_idle(target: Target, name: str) -> None:
    quiet(target)
    page = await_page(target, lambda page: not total_of(target, page, name, "spin"), name)
    found = total_of(target, page, name, "spin")
    assert not found, f"nothing is asked, and {name} says {found:g}"


def _while_busy(target: Target) -> tuple[Page, int]:
    """The metrics while an inference is executed, and how many requests wait behind it.

    Raises:
        Invalid: it was over too soon.
    """
    plane, iterations = target.rest, spin_of(target, RUN)
    messages = [spinning(1 + place).message(target) for place in range(WAITING)]
    with open_burst(plane, [spinning(iterations).message(target)]) as (executed,):
        time.sleep(SETTLE)
        with open_burst(plane, messages) as others:
            time.sleep(SETTLE)
            page = scraped(target, target.metrics.in_flight, target.metrics.queue_depth)
            waiting = sum(not other.begins(MOMENT) for other in others)
            if executed.begins(MOMENT):
                raise Invalid("the execution was over before the metrics were scraped")
            for one in (executed, *others):
                one.read(PATIENCE).must_succeed()
    return page, waiting
