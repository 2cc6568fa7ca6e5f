"""What a scraper reads: the bytes, their type, and the order of their lines."""

import re
from collections import Counter

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from servespec.target.exchange import Exchange
from servespec.target.outcomes import NotApplicable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..strategies import SCALAR, request
from .scraping import scraped

OPENMETRICS = "application/openmetrics-text"
ACCEPT = f"{OPENMETRICS}; version=1.0.0"
VERSIONS = ("0.0.4", "1.0.0")
SHOWN = 3
COUNTERS = re.compile(r"^# TYPE (\S+) counter\n((?:(?!# TYPE).*\n)*)", re.MULTILINE)
"""Each counter of OpenMetrics, and its lines."""


@requirement("MET-001", name="text")
def test_the_text_format_is_read_by_two_parsers(target: Target) -> None:
    """A scraper drops a whole page for one line that it cannot read."""
    _ask(target)
    page = scraped(target)

    malformed = page.malformed[:SHOWN]
    assert not malformed, "; ".join(malformed)
    assert page.samples, "the metrics have no sample"
    try:
        list(prometheus(page.text))
    except Exception as error:
        raise AssertionError(f"prometheus_client cannot read the metrics: {error!r}") from error


@requirement("MET-001", name="openmetrics")
def test_openmetrics_is_read_by_a_parser(target: Target) -> None:
    """A scraper that asks for the newer format is answered in all of it."""
    _ask(target)
    text = _openmetrics(target).body.decode()
    try:
        list(openmetrics(text))  # type: ignore[no-untyped-call]
    except Exception as error:
        raise AssertionError(f"prometheus_client cannot read the OpenMetrics: {error!r}") from error


def _ask(target: Target) -> None:
    """An inference, so that there is something to show."""
    target.rest.infer("identity_fp32", request(SCALAR)).must_succeed()


def _openmetrics(target: Target) -> Exchange:
    exchange = target.scrape(ACCEPT).must_succeed()
    if not (exchange.header("Content-Type") or "").lower().startswith(OPENMETRICS):
        raise NotApplicable("the target does not offer OpenMetrics")
    return exchange


@requirement("MET-002")
def test_the_content_type_names_a_format_of_metrics(target: Target) -> None:
    """A scraper that does not know the type of a page refuses all of it."""
    header = target.scrape().must_succeed().header("Content-Type")
    media_type, *parameters = (part.strip().lower() for part in (header or "").split(";"))
    version = dict(part.split("=", 1) for part in parameters if "=" in part).get("version")

    assert media_type in ("text/plain", OPENMETRICS), f"the Content-Type is {header!r}"
    target.record("version of the text format", version or "not named")
    if media_type == "text/plain" and version is not None:  # without one it is the latest
        named = version.strip('"')
        assert named in VERSIONS, f"the text format is named {named}, not 0.0.4 or 1.0.0"


@requirement("MET-003")
def test_the_lines_of_a_family_stand_together_in_order(target: Target) -> None:
    """A scraper gives every sample the type of its own metric."""
    _ask(target)
    misplaced = list(scraped(target).misplaced())

    assert not misplaced, "; ".join(misplaced[:SHOWN])


@requirement("MET-004")
def test_no_series_stands_there_twice(target: Target) -> None:
    """A scraper that finds two values for one series keeps either, or none."""
    _ask(target)
    counts = Counter(sample.series for sample in scraped(target).samples)
    twice = [series for series, count in counts.items() if count > 1]

    shown = ", ".join(f"{name}{dict(sorted(labels))}" for name, labels in twice[:SHOWN])
    assert not twice, f"series with more than one value: {shown}"


@requirement("MET-007", name="end")
def test_openmetrics_ends_with_its_end(target: Target) -> None:
    """A scraper knows a page that was cut off by its missing end."""
    body = _openmetrics(target).body

    assert re.search(rb"(^|\n)# EOF\n?\Z", body), f"the OpenMetrics end with {body[-40:]!r}"
    assert body.count(b"\n# EOF") <= 1, "the OpenMetrics have more than one end"


@requirement("MET-007", name="counters")
def test_counters_of_openmetrics_end_in_total(target: Target) -> None:
    """A query that is written for one server's counters finds another's."""
    _ask(target)
    text = _openmetrics(target).body.decode()
    for name, group in COUNTERS.findall(text):
        samples = set(re.findall(r"^[^#{ ]+", group, re.MULTILINE))
        wrong = samples - {f"{name}_total", f"{name}_created"}
        assert not wrong, f"the counter {name} has samples named {', '.join(sorted(wrong))}"
