"""What a server counts of itself since it started: Triton's statistics, or metrics of Prometheus.

Sans-IO: documents in, seconds by part out. Where the answers themselves tell nothing, the growth of
these from look to look says where the time of all requests in between went.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from servespec.target.sections import Metrics

__all__ = ["TOTAL", "Counted", "Counters", "of_metrics", "of_triton", "samples_of"]

TOTAL = "total"
"""The server's whole time for a request, beside its parts."""

_MOST = 24  # stretches: as many as other means have batches
_IN_TRITON = {
    "success": TOTAL,
    "queue": "queue",
    "compute_input": "preprocess",
    "compute_infer": "inference",
    "compute_output": "postprocess",
}
"""Our names by those of the protocol's statistics extension."""
_UNITS = {"us": 1e-6, "microseconds": 1e-6, "ms": 1e-3, "milliseconds": 1e-3}


@dataclass(frozen=True, slots=True)
class Counters:
    """At a moment, or how much they grew in between.

    Attributes:
        requests: that were answered.
        seconds: that they took altogether, by part and in `total`.
    """

    requests: float
    seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Counted:
    """What a server counted while it was loaded.

    Attributes:
        source: where it tells.
        looks: the counters in the order of time, the first before the first request and the last
            behind the last answer.
    """

    source: str
    looks: Sequence[Counters]

    def stretches(self) -> list[Counters]:
        """Their growth in at most 24 stretches of time, each with requests.

        Nothing where a counter fell: the server was started anew.
        """
        grown = [_grown(before, after) for before, after in pairwise(self.looks)]
        if any(value < 0 for each in grown for value in (each.requests, *each.seconds.values())):
            return []
        busy = [each for each in grown if each.requests]
        groups = np.array_split(np.arange(len(busy)), min(_MOST, len(busy)) or 1)
        return [_together([busy[each] for each in group]) for group in groups if len(group)]


def of_triton(documents: Iterable[Any]) -> Counters | None:
    """Read answers of `GET v2/models/MODEL/stats`, added up; None where they tell nothing.

    https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_statistics.md
    """
    found: list[Counters] = []
    try:
        for document in documents:
            told = [each["inference_stats"] for each in document["model_stats"]]
            found += [_of_model(each) for each in told]
    except (KeyError, TypeError, ValueError):
        return None
    return _together(found) if found else None


def _of_model(told: Mapping[str, Mapping[str, Any]]) -> Counters:
    seconds = {ours: int(told[name]["ns"]) / 1e9 for name, ours in _IN_TRITON.items()}
    return Counters(int(told["success"]["count"]), seconds)


def of_metrics(text: str, names: Metrics, models: Collection[str]) -> Counters | None:
    """Read a page of metrics; None where the durations of requests are not on it.

    Args:
        text: in the text format of Prometheus.
        names: what the server calls its histograms, or summaries.
        models: whose series count; those without a label for the model count as well.
    """
    sums: dict[str, float] = {}
    parts = {TOTAL: names.request_seconds, "queue": names.queue_seconds}
    parts["inference"] = names.compute_seconds
    wanted = [f"{name}_{end}" for name in parts.values() for end in ("sum", "count")]
    try:
        for sample in samples_of(text, wanted):
            if sample.labels.get(names.model_label, next(iter(models))) in models:
                sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
    except ValueError:
        return None
    known = {part: name for part, name in parts.items() if f"{name}_sum" in sums}
    if TOTAL not in known or f"{names.request_seconds}_count" not in sums:
        return None
    seconds = {part: sums[f"{name}_sum"] * _unit(name) for part, name in known.items()}
    return Counters(sums[f"{names.request_seconds}_count"], seconds)


def samples_of(page: str, wanted: Collection[str]) -> Iterator[Sample]:
    """The samples of these names on a page of metrics.

    To read all of it takes a tenth of a second of Python where a server has many models.

    Raises:
        ValueError: one of them cannot be read.
    """
    beginnings = tuple(f"{name}{end}" for name in wanted for end in ("{", " "))
    lines = "\n".join(line for line in page.splitlines() if line.lstrip().startswith(beginnings))
    for family in text_string_to_metric_families(lines):
        yield from family.samples


def _unit(name: str) -> float:
    """Seconds of the unit that a name ends with."""
    return _UNITS.get(name.rpartition("_")[2], 1.0)


def _grown(before: Counters, after: Counters) -> Counters:
    """A part that is not on the first look, as nobody had asked yet, began at 0."""
    seconds = {name: end - before.seconds.get(name, 0.0) for name, end in after.seconds.items()}
    return Counters(after.requests - before.requests, seconds)


def _together(many: Sequence[Counters]) -> Counters:
    names = dict.fromkeys(name for each in many for name in each.seconds)
    seconds = {name: sum(each.seconds.get(name, 0.0) for each in many) for name in names}
    return Counters(sum(each.requests for each in many), seconds)
