"""Histograms: of latencies, of batches, and what any of them has to add up to."""

import math
from collections.abc import Sequence
from itertools import pairwise

from servespec.target.outcomes import NotApplicable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..batching.crowds import bursts, executions
from ..questions import Question, witnessing
from ..strategies import SCALAR, request
from .exposition import Page, Sample, Series
from .scraping import await_page, must_rise_by, quiet, scraped, series_of, total_of

ASKED = 6
CALLERS = 8
INFINITY = "+Inf"


@requirement("MET-005")
def test_histograms_add_up(target: Target) -> None:
    """A percentile that is read from a histogram is as right as its buckets."""
    target.rest.infer("identity_fp32", request(SCALAR)).must_succeed()
    page = scraped(target)
    families = [name for name, kind in page.types.items() if kind == "histogram"]
    if not families:
        raise NotApplicable("the metrics have no histogram")

    counts = _by_series(page, families, "_count")
    for series, (count, *_) in counts.items():
        assert not math.isnan(count.value), f"{count} is NaN"
        assert series in _by_series(page, [series[0]], "_sum"), f"{count} has no sum beside it"
    for series, buckets in _by_series(page, families, "_bucket").items():
        assert series in counts, f"{buckets[0]} has no count beside it"
        _must_add_up(buckets, counts[series][0])


def _by_series(page: Page, families: Sequence[str], suffix: str) -> dict[Series, list[Sample]]:
    """The samples of one kind, by the histogram that they are a part of."""
    found: dict[Series, list[Sample]] = {}
    for family in families:
        for sample in page.of(f"{family}{suffix}"):
            found.setdefault((family, sample.without("le")[1]), []).append(sample)
    return found


def _must_add_up(buckets: Sequence[Sample], count: Sample) -> None:
    bounds = [float(bucket.label("le") or "nan") for bucket in buckets]
    rising = all(low < high for low, high in pairwise(bounds))
    assert rising, f"the buckets of {count} do not stand in the order of their bounds"
    assert bounds[-1] == math.inf, f"{count} has no bucket with le=+Inf"
    values = [bucket.value for bucket in buckets]
    cumulative = all(low <= high for low, high in pairwise(values))
    assert cumulative, f"the buckets of {count} are not cumulative"
    assert values[-1] == count.value, f"{count} is {count.value:g}, its last bucket {values[-1]:g}"


@requirement("MET-011")
def test_latencies_are_in_a_histogram_by_model(target: Target) -> None:
    """An operator asks for the slowest percent, of each model and of all servers together."""
    name = target.metrics.request_seconds

    def ask() -> None:
        for _ in range(ASKED):
            target.rest.infer("identity_fp32", request(SCALAR)).must_succeed()

    ask()  # a series may begin with the first request
    page = scraped(target, name)
    kind = page.types.get(name)
    assert kind is not None, f"the metrics have no {name}"
    assert kind == "histogram", f"{name} is a {kind}, not a histogram"
    buckets = series_of(target, page, f"{name}_bucket", "identity_fp32")
    assert buckets, f"{name} has no series for the model identity_fp32"
    finite = [bucket for bucket in buckets if bucket.label("le") != INFINITY]
    assert finite, f"{name} has one bucket for all: no percentile can be read from it"
    target.record("buckets of the latency histogram", len(finite) + 1)
    must_rise_by(target, ASKED, "inferences", ask, f"{name}_count")


@requirement("MET-016", name="batching", fixtures=["witness"])
def test_the_rows_of_each_execution_are_in_a_histogram(target: Target) -> None:
    """An operator sees whether batching does anything."""
    if not target.claims("batching"):
        raise NotApplicable("the target claims no batching")
    name = target.metrics.batch_rows
    questions = [witnessing([float(caller)]) for caller in range(CALLERS)]
    questions[0].ask(target).must_succeed()
    quiet(target)
    before = scraped(target, name)
    kind = before.types.get(name)
    assert kind is not None, f"the metrics have no {name}"
    assert kind == "histogram", f"{name} is a {kind}, not a histogram"

    seen = _ask(target, questions)
    rows, count = sum(seen), len(seen)
    after = await_page(target, lambda page: _risen(target, before, page, "sum") == rows, name)
    found = _risen(target, before, after, "sum"), _risen(target, before, after, "count")
    assert found == (rows, count), (
        f"{rows} rows ran in {count} executions, {name} counts {found[0]:g} in {found[1]:g}"
    )


def _ask(target: Target, questions: Sequence[Question]) -> list[int]:
    """The rows of each execution, as its callers tell."""
    return [
        rows
        for answers in bursts(target, questions)
        for rows in executions(exchange.must_succeed() for _, exchange in answers).values()
    ]


def _risen(target: Target, before: Page, after: Page, part: str) -> float:
    name = f"{target.metrics.batch_rows}_{part}"
    return total_of(target, after, name, "witness") - total_of(target, before, name, "witness")
