"""How long an inference took: what its caller is told, and what is counted."""

from time import monotonic
from types import TracebackType

from .errors import DeadlineExceeded, Shed
from .metrics import ModelMetrics
from .pipeline import Computed

__all__ = ["SERVER_TIMING", "Timing"]

SERVER_TIMING = "Server-Timing"


class Timing:
    """The clock of one inference request, from the request that was read to its encoded answer.

    In its `with` block the request counts as in flight.

    Attributes:
        metrics: of the model that was asked; None where there is no such model.
        computed: what the engine did; None while that is not known.
        expired: whether it was given up at its deadline.
    """

    __slots__ = ("_started", "computed", "expired", "metrics")

    def __init__(self) -> None:
        self._started = monotonic()
        self.metrics: ModelMetrics | None = None
        self.computed: Computed | None = None
        self.expired = False

    def of(self, metrics: ModelMetrics | None) -> "Timing":
        """Take the time for this model."""
        self.metrics = metrics
        return self

    def __enter__(self) -> "Timing":
        if self.metrics is not None:
            self.metrics.in_flight += 1
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self.metrics is not None:
            self.metrics.in_flight -= 1

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
