"""The counter of what was refused for want of room: as many as the clients were told."""

from servespec.target.outcomes import NotApplicable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..judging import BUSY
from ..questions import rush
from .scraping import await_page, quiet, scraped, total_rise

CALLERS = 48
"""At once: more than anybody keeps waiting who wants to answer in time."""
EXECUTION = 0.01


@requirement("MET-016", name="refused", kind="saturating", fixtures=["queued"])
def test_refused_requests_are_counted(target: Target) -> None:
    """An operator sees that clients are turned away before they complain."""
    name = target.metrics.refused
    quiet(target)
    before = scraped(target, name)
    refused = sum(answer.status in BUSY for answer in rush(target, CALLERS, EXECUTION))
    if not refused:
        raise NotApplicable(f"none of {CALLERS} requests at once is refused")

    after = await_page(target, lambda page: total_rise(before, page, name) == refused, name)
    found = total_rise(before, after, name)
    assert after.of(name), f"{refused} requests were refused, and the metrics have no {name}"
    assert found == refused, f"{refused} refused requests raised {name} by {found:g}"
