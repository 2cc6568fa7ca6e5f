"""What a scraper meets: others at the same time, a busy server, counters that only rise."""

import math
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..probes.saturation import while_saturated
from ..strategies import SCALAR, request, tensor
from .exposition import Page, Sample, read
from .scraping import scraped

SCRAPERS = 10
LIMIT_SECONDS = 1.0
"""Binding: the requirement's own bound."""
PATIENCE = 20.0


@requirement("MET-006")
def test_counters_only_rise(target: Target) -> None:
    """A rate is computed from the rise of a counter: a fall looks like a restart."""
    pages = [scraped(target)]
    for data in (1.0, -1.0):
        target.rest.infer("identity_fp32", request(SCALAR)).must_succeed()
        target.rest.infer("fail", request(tensor("x", "FP32", [1, 1], [data])))
        pages.append(scraped(target))

    for before, after in pairwise(pages):
        old = {sample.series: sample.value for sample in _counters(before)}
        for sample in _counters(after):
            assert not math.isnan(sample.value), f"the counter {sample} is NaN"
            least = old.pop(sample.series, 0.0)
            assert sample.value >= least, f"{sample} fell from {least:g} to {sample.value:g}"
        assert not old, f"a counter is gone: {next(iter(old))[0]}"


def _counters(page: Page) -> list[Sample]:
    """All that only rises: counters, the counts and buckets of histograms, counts of summaries."""
    return [sample for sample in page.samples if _only_rises(page, sample)]


def _only_rises(page: Page, sample: Sample) -> bool:
    kind = page.types.get(page.family(sample))
    counts = kind in ("histogram", "summary") and sample.name.endswith(("_count", "_bucket"))
    return kind == "counter" or counts


@requirement("MET-008")
def test_scrapes_at_the_same_time_are_all_answered(target: Target) -> None:
    """Two scrapers that watch over each other meet at the same server."""
    target.rest.infer("identity_fp32", request(SCALAR)).must_succeed()
    with ThreadPoolExecutor(SCRAPERS) as threads:
        answers = list(threads.map(lambda _: target.scrape(), range(SCRAPERS)))

    texts = [answer.must_succeed().body.decode(errors="replace") for answer in answers]
    pages = [read(text, ["#"]) for text in texts]  # what metrics there are, not their samples
    for page in pages:
        missing = ", ".join(sorted(pages[0].types.keys() ^ page.types.keys()))
        assert not missing, f"of {SCRAPERS} scrapes at once some lack {missing}"


@requirement("MET-009", name="idle")
def test_a_scrape_takes_less_than_a_second(target: Target) -> None:
    """A scraper with many servers to ask does not wait for one."""
    exchange = target.scrape(timeout=PATIENCE).must_succeed()
    target.record("an idle scrape, ms", f"{exchange.seconds * 1e3:.0f}")

    assert exchange.seconds < LIMIT_SECONDS, f"a scrape takes {exchange.seconds:.1f} s"


@requirement("MET-009", name="load", kind="saturating", fixtures=["spin"])
def test_a_scrape_under_load_takes_less_than_a_second(target: Target) -> None:
    """The metrics of a busy server are those that somebody looks at."""
    answers = while_saturated(target, lambda: target.scrape(timeout=PATIENCE))
    slowest = max(answers, key=lambda answer: answer.seconds)
    target.record("scrapes under load", len(answers))
    target.record("slowest scrape under load, ms", f"{slowest.seconds * 1e3:.0f}")

    slowest.must_succeed()
    assert slowest.seconds < LIMIT_SECONDS, f"a scrape under load took {slowest.seconds:.1f} s"
