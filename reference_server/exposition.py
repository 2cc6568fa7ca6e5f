"""The measurements as text, in the formats of Prometheus and OpenMetrics."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import exposition as prometheus
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.openmetrics import exposition as openmetrics

from .http import HttpResponse
from .metrics import ROWS, SECONDS, Histogram, Metrics
from .repository import Repository, State

__all__ = ["Exposition", "prefers_openmetrics"]

_MODEL = ("model", "version")
_OPENMETRICS = "application/openmetrics-text"
_END = "# EOF\n"


@dataclass(frozen=True, slots=True)
class _Format:
    """A text format, and who writes it."""

    content_type: str
    write: Callable[[Any, str], bytes]
    end: str


_FORMATS = {
    False: _Format(prometheus.CONTENT_TYPE_PLAIN_0_0_4, prometheus.generate_latest, ""),
    True: _Format(openmetrics.CONTENT_TYPE_LATEST, openmetrics.generate_latest, _END),
}


@dataclass(frozen=True, slots=True)
class _Family:
    """A metric with all its series: their label values and, for each of them, its numbers."""

    metric: Metric
    labels: tuple[tuple[str, ...], ...]
    numbers: Sequence[float]
    bounds: Sequence[float] = ()

    def collect(self) -> Iterator[Metric]:
        """What prometheus_client asks of a collector; every number is 0."""
        zeros = [(str(bound), 0) for bound in (*self.bounds, "+Inf")]
        for labels in self.labels:
            if isinstance(self.metric, HistogramMetricFamily):
                self.metric.add_metric(labels, zeros, 0)
            elif isinstance(self.metric, CounterMetricFamily | GaugeMetricFamily):
                self.metric.add_metric(labels, 0)
        yield self.metric


class Exposition:
    """Writes the page that is scraped; may be asked from any thread.

    prometheus_client takes 5 us for a line, and thirty models have ten thousand of them. So it
    writes each family once, as a template, and again when the family has another series; a scrape
    puts the numbers in.
    """

    def __init__(self, metrics: Metrics, repository: Repository) -> None:
        self._metrics = metrics
        self._repository = repository
        self._templates: dict[tuple[str, bool], tuple[tuple[tuple[str, ...], ...], str]] = {}

    def answer(self, accept: str) -> HttpResponse:
        """Answer a scrape in the format that its Accept prefers."""
        modern = prefers_openmetrics(accept)
        pages = [self._text(family, modern) for family in self._families() if family.labels]
        text = "".join((*pages, _FORMATS[modern].end))
        content_type = ("Content-Type", _FORMATS[modern].content_type)
        return HttpResponse(200, text.encode(), (content_type, ("Vary", "Accept")))

    def _text(self, family: _Family, modern: bool) -> str:
        key = (family.metric.name, modern)
        labels, template = self._templates.get(key, ((), ""))
        if labels != family.labels:
            template = _template(family, _FORMATS[modern])
            self._templates[key] = (family.labels, template)
        return template % tuple(family.numbers)

    def _families(self) -> Iterator[_Family]:
        yield self._requests()
        yield self._in_flight()
        yield self._queue_depth()
        yield self._shed()
        yield self._expired()
        yield self._states()
        yield self._cache()
        yield self._coalesced()
        yield self._shadow()
        models = self._metrics.models
        for name, text in _TIMES.items():
            found = {key: getattr(model, name) for key, model in models.items()}
            series = {key: histogram for key, histogram in found.items() if histogram is not None}
            yield _histograms(f"inference_{name}_seconds", text, series, SECONDS)
        rows = {key: model.batch_rows for key, model in models.items()}
        yield _histograms("inference_batch_rows", "Rows that were executed together.", rows, ROWS)

    def _requests(self) -> _Family:
        text = "Inference requests that came to their end; 499, CANCELLED: the caller left."
        metric = CounterMetricFamily("inference_requests", text, labels=(*_MODEL, "plane", "code"))
        counts = self._metrics.requests()
        labels = tuple((*model, plane, code) for model, plane, code in counts)
        return _Family(metric, labels, tuple(counts.values()))

    def _in_flight(self) -> _Family:
        text = "Inference requests that are neither answered nor given up."
        metric = GaugeMetricFamily("inference_in_flight", text, labels=_MODEL)
        models = self._metrics.models
        return _Family(metric, tuple(models), [model.in_flight for model in models.values()])

    def _cache(self) -> _Family:
        text = "Requests that came to the model's cache; bypass: that did not want its answer."
        metric = CounterMetricFamily("inference_cache", text, labels=(*_MODEL, "result"))
        counts = {
            (*key, use): float(count)
            for key, model in self._metrics.models.items()
            for use, count in model.reuses.cache.copy().items()
        }
        return _Family(metric, tuple(counts), tuple(counts.values()))

    def _coalesced(self) -> _Family:
        text = "Requests that waited for an execution that another one had begun."
        metric = CounterMetricFamily("inference_coalesced", text, labels=_MODEL)
        found = {key: model.reuses.coalesced for key, model in self._metrics.models.items()}
        counts = {key: float(count) for key, count in found.items() if count is not None}
        return _Family(metric, tuple(counts), tuple(counts.values()))

    def _shadow(self) -> _Family:
        text = "Copies of requests that nobody hears of, by what became of them."
        metric = CounterMetricFamily("inference_shadow", text, labels=(*_MODEL, "result"))
        counts = {
            (*key, fate): float(count)
            for key, model in self._metrics.models.items()
            for fate, count in model.shadow.copy().items()
        }
        return _Family(metric, tuple(counts), tuple(counts.values()))

    def _queue_depth(self) -> _Family:
        metric = GaugeMetricFamily(
            "inference_queue_depth", "Inferences that wait for the engine.", labels=_MODEL
        )
        depths = {
            (entry.name, entry.version): entry.model.queue_depth() if entry.model else 0
            for entry in self._repository.entries
        }
        return _Family(metric, tuple(depths), tuple(depths.values()))

    def _shed(self) -> _Family:
        text = "Inference requests that were refused for want of room."
        metric = CounterMetricFamily("inference_shed", text, labels=(*_MODEL, "reason"))
        counts = {
            (*key, reason): count
            for key, model in self._metrics.models.items()
            for reason, count in model.shed.items()
        }
        return _Family(metric, tuple(counts), tuple(counts.values()))

    def _expired(self) -> _Family:
        text = "Inference requests that were given up at their deadline."
        metric = CounterMetricFamily("inference_expired", text, labels=_MODEL)
        models = self._metrics.models
        return _Family(metric, tuple(models), [model.expired for model in models.values()])

    def _states(self) -> _Family:
        metric = GaugeMetricFamily(
            "model_state", "1 for the state that the model is in.", labels=(*_MODEL, "state")
        )
        found = [
            ((*model, state.name.lower()), float(state is current))
            for model, current in self._repository.states().items()
            for state in State
        ]
        return _Family(metric, tuple(name for name, _ in found), [value for _, value in found])


_TIMES = {
    "request": "From a request that was read to its encoded answer.",
    "queue": "From the engine's queue to the execution.",
    "compute": "The execution, of the whole batch.",
    "preprocess": "The model's own step before the engine.",
    "postprocess": "The model's own step behind the engine.",
}


def _histograms(
    name: str, text: str, series: Mapping[tuple[str, str], Histogram], bounds: Sequence[float]
) -> _Family:
    numbers: list[float] = []
    for histogram in series.values():
        counts, total = histogram.read()
        numbers += (*counts, counts[-1], total)
    return _Family(HistogramMetricFamily(name, text, labels=_MODEL), tuple(series), numbers, bounds)


def _template(family: _Family, written: _Format) -> str:
    """Have the family written, and cut its zeros out."""
    lines = written.write(family, openmetrics.ALLOWUTF8).decode().removesuffix(_END)
    return "".join(
        f"{line}\n" if line.startswith("#") else f"{line.rpartition(' ')[0]} %s\n"
        for line in lines.replace("%", "%%").rstrip("\n").split("\n")
    )


def prefers_openmetrics(accept: str) -> bool:
    """Whether an Accept header prefers OpenMetrics 1.0 to the format of Prometheus."""
    weights = {True: 0.0, False: 0.0}
    for media_type, parameters in map(_media_range, accept.lower().split(",")):
        modern = media_type == _OPENMETRICS and parameters.get("version", "1.0.0") == "1.0.0"
        if modern or media_type == "text/plain":
            weights[modern] = max(weights[modern], _weight(parameters))
    return weights[True] > 0 and weights[True] >= weights[False]


def _media_range(text: str) -> tuple[str, Mapping[str, str]]:
    media_type, *parameters = (part.strip() for part in text.split(";"))
    pairs: Iterable[tuple[str, str, str]] = (part.partition("=") for part in parameters)
    return media_type, {name.strip(): value.strip(' "') for name, _, value in pairs}


def _weight(parameters: Mapping[str, str]) -> float:
    try:
        return float(parameters.get("q", "1"))
    except ValueError:
        return 0.0
