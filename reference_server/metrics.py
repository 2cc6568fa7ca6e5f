"""What is counted and measured: written on the event loop alone, read from any thread.

Writing must cost next to nothing beside an inference of one row, so this is integers in lists; what
they look like to Prometheus is the business of `exposition`.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TypeAlias, get_args

from .errors import LimitReached, MemoryExceeded, ModelNotFound, Overloaded, QueueTimeout
from .pipeline import FATES, CacheUse, Computed, Fate
from .repository import Entry, Repository

__all__ = ["NO_MODEL", "ROWS", "SECONDS", "Histogram", "Key", "Metrics", "ModelMetrics", "Reuses"]

Key: TypeAlias = tuple[str, str]
"""A model's name and the label of a version of it that exists."""

NO_MODEL: Key = ("", "")
"""Whatever was asked of a model or version that does not exist: a caller can make no series."""

SECONDS: Sequence[float] = (*(float(f"{0.001 * 1.1**power:.6g}") for power in range(109)), 30.0)
"""Each bound is 10 % above the last one: that is how exact a percentile can be read."""

ROWS: Sequence[float] = tuple(2.0**power for power in range(11))

_SHEDS = (Overloaded, LimitReached, QueueTimeout, MemoryExceeded)
_REASONS = tuple(kind.reason for kind in _SHEDS)
_SUCCESS = (("rest", "200"), ("grpc", "OK"))


class Histogram:
    """How often values up to each bound were seen. A value at a bound counts below it."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def read(self) -> tuple[list[int], float]:
        """Return how many values there are up to each bound, lastly how many at all, and their sum.

        The counts are those of one moment: their list is copied in a single step.
        """
        total = self._sum
        return list(accumulate(self._counts.copy())), total


class Reuses:
    """How often a model's answers were used again; a model that uses none again has no numbers."""

    __slots__ = ("cache", "coalesced")

    def __init__(self) -> None:
        self.cache: dict[CacheUse, int] = {}
        self.coalesced: int | None = None

    def caches(self) -> None:
        """Begin to count what the cache is to requests, or go on after a reload."""
        self.cache = self.cache or dict.fromkeys(get_args(CacheUse), 0)

    def used(self, use: CacheUse) -> None:
        """Count a request that came to the cache."""
        self.cache[use] += 1

    def coalesces(self) -> None:
        """Begin to count requests that find their execution under way, or go on after a reload."""
        self.coalesced = self.coalesced or 0

    def joined(self) -> None:
        """Count one."""
        self.coalesced = (self.coalesced or 0) + 1


class ModelMetrics:
    """The measurements of one version of a model."""

    __slots__ = (
        "batch_rows",
        "compute",
        "expired",
        "in_flight",
        "postprocess",
        "preprocess",
        "queue",
        "request",
        "reuses",
        "shadow",
        "shed",
    )

    def __init__(self) -> None:
        self.in_flight = 0
        self.expired = 0
        self.shed = dict.fromkeys(_REASONS, 0)
        self.request = Histogram(SECONDS)
        self.queue = Histogram(SECONDS)
        self.compute = Histogram(SECONDS)
        self.batch_rows = Histogram(ROWS)
        self.preprocess: Histogram | None = None
        self.postprocess: Histogram | None = None
        self.reuses = Reuses()
        self.shadow: dict[Fate, int] = {}  # of a version that never was one it stays empty

    def observe(self, computed: Computed) -> None:
        """Take in what is known of an inference that succeeded."""
        if computed.source != "engine":
            return
        self.queue.observe(computed.queue_seconds)
        self.compute.observe(computed.compute_seconds)
        if computed.preprocess_seconds is not None:
            self.preprocess = self.preprocess or Histogram(SECONDS)
            self.preprocess.observe(computed.preprocess_seconds)
        if computed.postprocess_seconds is not None:
            self.postprocess = self.postprocess or Histogram(SECONDS)
            self.postprocess.observe(computed.postprocess_seconds)


class Metrics:
    """All measurements; a model that exists has its series from the start, the others none."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self.models: Mapping[Key, ModelMetrics] = {}
        self._requests: dict[tuple[Key, str, str], int] = {}
        repository.listen(self._begin)

    def _begin(self, entry: Entry) -> None:
        """Have series for a version, which goes on with its old ones where it was there before."""
        key = (entry.name, entry.version)
        if key in self.models:
            return
        self.models = {**self.models, key: ModelMetrics()}  # a scrape may be under way
        self._requests.update({(key, plane, code): 0 for plane, code in _SUCCESS})

    def key(self, name: str, version: str) -> Key:
        """Return which model a request means that names it so."""
        try:
            return name, self._repository.entry(name, version).version
        except ModelNotFound:
            return NO_MODEL

    def count(self, key: Key, plane: str, code: str) -> None:
        """Count an inference request that has come to its end."""
        series = (key, plane, code)
        self._requests[series] = self._requests.get(series, 0) + 1

    def reuses(self, name: str, version: str) -> Reuses:
        """Return where a model counts the answers that it uses again."""
        return self.models[name, version].reuses

    def mirrored(self, name: str, version: str, fate: Fate) -> None:
        """Count a copy of a request, apart from all requests."""
        model = self.models.get((name, version))
        if model is not None:
            model.shadow = model.shadow or dict.fromkeys(FATES, 0)
            model.shadow[fate] += 1

    def executed(self, name: str, version: str, rows: int) -> None:
        """Count an execution of a model."""
        self.models[name, version].batch_rows.observe(rows)

    def requests(self) -> Mapping[tuple[Key, str, str], int]:
        """Return the requests by model, plane and code."""
        return self._requests.copy()
