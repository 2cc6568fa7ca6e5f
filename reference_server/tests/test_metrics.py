"""What is counted, and how it is written; the server as its scraper sees it."""

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from ..exposition import Exposition, prefers_openmetrics
from ..metrics import SECONDS, Histogram, Metrics
from ..pipeline import Computed
from ..repository import Entry, Repository
from ..timing import Timing

COMPUTED = Computed([], 0.001, 0.002, batch_rows=1)
MODERN = "application/openmetrics-text; version=1.0.0"


def of_models(count: int, name: str = "m") -> tuple[Metrics, Exposition]:
    """The measurements of a server with so many models."""
    names = [f"{name}{number}" for number in range(count)]
    repository = Repository({each: {"1": Entry(each, "1", Path())} for each in names})
    metrics = Metrics(repository)
    return metrics, Exposition(metrics, repository)


Labels = frozenset[tuple[str, str]]


def samples(exposition: Exposition, accept: str = "") -> dict[tuple[str, Labels], float]:
    """Every sample of a scrape, by its name and labels."""
    read = openmetrics.text_string_to_metric_families if accept else text_string_to_metric_families
    families = read(exposition.answer(accept).body.decode())
    found = [sample for family in families for sample in family.samples]
    series = {(each.name, frozenset(each.labels.items())): each.value for each in found}
    assert len(series) == len(found)
    return series


def labels(**values: str) -> Labels:
    """Labels as `samples` has them."""
    return frozenset(values.items())


def test_buckets_grow_by_a_tenth_from_a_millisecond_to_half_a_minute() -> None:
    assert (SECONDS[0], SECONDS[-1]) == (0.001, 30.0)
    assert all(1 < after / before < 1.1001 for before, after in pairwise(SECONDS))


def test_a_histogram_counts_a_value_at_a_bound_below_it_and_all_in_the_last_bucket() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        histogram.observe(value)
    assert histogram.read() == ([2, 3, 4], 12.0)


@pytest.mark.parametrize("accept", ["", MODERN])
def test_a_strict_parser_reads_either_format(accept: str) -> None:
    metrics, exposition = of_models(2, name='a "%s" \\ \n\u2028 #')
    key = next(iter(metrics.models))
    metrics.models[key].observe(COMPUTED)
    found = samples(exposition, accept)
    model = labels(model=key[0], version="1")
    assert found["inference_compute_seconds_sum", model] == COMPUTED.compute_seconds
    infinite = model | labels(le="+Inf")
    assert found["inference_compute_seconds_bucket", infinite] == 1
    assert found["inference_compute_seconds_count", model] == 1


def test_a_series_that_comes_later_is_written_too() -> None:
    metrics, exposition = of_models(1)
    samples(exposition)
    metrics.count(("m0", "1"), "rest", "400")
    refused = labels(model="m0", version="1", plane="rest", code="400")
    assert samples(exposition)["inference_requests_total", refused] == 1


def test_the_state_of_a_model_is_one_of_all_states() -> None:
    states = {
        dict(found)["state"]: number
        for (name, found), number in samples(of_models(1)[1]).items()
        if name == "model_state"
    }
    assert states.pop("loading") == 1
    assert set(states.values()) == {0}


def test_a_scrape_of_thirty_busy_models_takes_less_than_20_ms() -> None:
    metrics, exposition = of_models(30)
    for model in metrics.models.values():
        model.observe(COMPUTED)
    exposition.answer("")  # the first one lays the page out
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        exposition.answer("")
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.02


def test_scrapes_from_other_threads_are_consistent_while_requests_are_counted() -> None:
    metrics, exposition = of_models(1)
    ((key, model),) = metrics.models.items()
    with ThreadPoolExecutor(4) as pool:
        scrapes = [pool.submit(samples, exposition) for _ in range(20)]
        for number in range(5000):
            model.observe(COMPUTED)
            metrics.count(key, "rest", str(number % 100))
        for scrape in scrapes:
            found, of = scrape.result(), labels(model="m0", version="1")
            last = found["inference_queue_seconds_bucket", of | labels(le="+Inf")]
            assert last == found["inference_queue_seconds_count", of]


def test_a_request_is_in_flight_until_it_ends_also_when_it_raises() -> None:
    metrics, _ = of_models(1)
    ((key, model),) = metrics.models.items()
    with Timing(metrics).of(key):
        assert model.in_flight == 1
    with pytest.raises(KeyError), Timing(metrics).of(key):
        raise KeyError
    assert model.in_flight == 0


def test_a_request_is_in_flight_where_it_is_served_only() -> None:
    metrics, _ = of_models(2)
    asked, serving = metrics.models.values()
    with Timing(metrics).of(("m0", "1")) as timing:
        timing.of(("m1", "1"))
        assert (asked.in_flight, serving.in_flight) == (0, 1)
    assert (asked.in_flight, serving.in_flight) == (0, 0)


def test_the_time_that_is_told_is_the_time_that_is_counted() -> None:
    metrics, _ = of_models(1)
    ((key, model),) = metrics.models.items()
    timing = Timing(metrics).of(key)
    timing.computed = COMPUTED
    told = timing.finish()
    assert told.startswith("queue;dur=1.000, compute;dur=2.000, total;dur=")
    assert float(told.rpartition("=")[2]) == round(model.request.read()[1] * 1e3, 3)


@pytest.mark.parametrize(
    ("accept", "modern"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3", True),
        ("application/openmetrics-text; version=1.0.0; q=0.2, text/plain", False),
        ("application/openmetrics-text; version=0.0.1", False),
        ("application/openmetrics-text; q=0", False),
        ("application/openmetrics-text; q=x", False),
    ],
)
def test_the_format_is_the_one_that_accept_prefers(accept: str, modern: bool) -> None:
    assert prefers_openmetrics(accept) is modern
