"""How long an inference took: what its caller is told, and what is counted."""

from time import monotonic
from types import TracebackType

from .errors import DeadlineExceeded, Shed
from .metrics import NO_MODEL, Key, Metrics, ModelMetrics
from .pipeline import Computed
from .repository import Model

__all__ = ["SERVER_TIMING", "Timing"]

SERVER_TIMING = "Server-Timing"


class Timing:
    """The clock of one inference request, from the request that was read to its encoded answer.

    In its `with` block the request counts as in flight.

    Attributes:
        key: the version that was asked, or serves.
        metrics: of it; None where there is no such model.
        version: the one that serves; empty while none is chosen.
        computed: what the engine did; None while that is not known.
        expired: whether it was given up at its deadline.
    """

    __slots__ = (
        "_all",
        "_entered",
        "_model",
        "_started",
        "computed",
        "expired",
        "key",
        "metrics",
        "version",
    )

    def __init__(self, metrics: Metrics) -> None:
        self._started = monotonic()
        self._all = metrics
        self._entered = False
        self._model: Model | None = None
        self.key = NO_MODEL
        self.metrics: ModelMetrics | None = None
        self.version = ""
        self.computed: Computed | None = None
        self.expired = False

    def of(self, key: Key) -> "Timing":
        """Take the time for this version; it is in flight there from now on, and nowhere else."""
        self._count(-1)
        self.key, self.metrics = key, self._all.models.get(key)
        self._count(1)
        return self

    def serves(self, model: Model) -> None:
        """This version was chosen: it is in use until the block ends, or another one is chosen."""
        model.uses.begin()
        self._let_go()
        self._model, self.version = model, model.version
        if self.key != (model.name, model.version):
            self.of((model.name, model.version))

    def __enter__(self) -> "Timing":
        self._entered = True
        self._count(1)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._count(-1)
        self._let_go()

    def _let_go(self) -> None:
        if self._model is not None:
            self._model.uses.end()
            self._model = None

    def _count(self, step: int) -> None:
        if self._entered and self.metrics is not None:
            self.metrics.in_flight += step

    def failed(self, error: Exception) -> None:
        """Count it where it was refused for want of room, or given up at its deadline."""
        if isinstance(error, DeadlineExceeded):
            self.has_expired()
        elif isinstance(error, Shed) and self.metrics is not None:
            self.metrics.shed[error.reason] += 1

    def has_expired(self) -> None:
        """Count it as given up at its deadline."""
        self.expired = True
        if self.metrics is not None:
            self.metrics.expired += 1

    def finish(self) -> str:
        """Stop the clock and count what it says; return the value of Server-Timing."""
        total = monotonic() - self._started
        if self.metrics is not None:
            self.metrics.request.observe(total)
            if self.computed is not None:
                self.metrics.observe(self.computed)
        return f"{_stages(self.computed)}total;dur={total * 1e3:.3f}"


def _stages(computed: Computed | None) -> str:
    """Return what is known between the beginning and the end, each followed by a comma."""
    if computed is None:
        return ""
    text = f"cache;desc={computed.cache}, " if computed.cache else ""
    if computed.source != "engine":
        return text
    text += (
        f"queue;dur={computed.queue_seconds * 1e3:.3f}, "
        f"compute;dur={computed.compute_seconds * 1e3:.3f}, "
    )
    if computed.preprocess_seconds is not None:
        text += f"preprocess;dur={computed.preprocess_seconds * 1e3:.3f}, "
    if computed.postprocess_seconds is not None:
        text += f"postprocess;dur={computed.postprocess_seconds * 1e3:.3f}, "
    return text
