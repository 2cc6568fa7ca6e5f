"""Locust's own tables, to three digits."""

import math

from locust import stats

__all__ = ["bucket", "refine_tables"]


def refine_tables() -> None:
    """Let Locust keep times to three digits, where it rounds 1.4 ms to 1 and 1,049 ms to 1,000."""
    stats.bucket_response_time = bucket  # type: ignore[assignment]  # keys may be floats
    stats.PERCENTILES_TO_STATISTICS = [0.95, 0.99, 0.999]


def bucket(milliseconds: float) -> float:
    """The time to three digits; 0 for none."""
    if not 0 < milliseconds < math.inf:
        return 0.0
    return round(milliseconds, 2 - math.floor(math.log10(milliseconds)))
