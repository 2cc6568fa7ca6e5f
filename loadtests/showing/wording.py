"""How numbers are written for people."""

import math

__all__ = ["range_text", "seconds_text"]


def seconds_text(seconds: float | None) -> str:
    """A time to three digits; infinity, None and what was not measured are without bound."""
    if seconds is None or not math.isfinite(seconds):
        return "unbounded"
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def range_text(low: float | None, high: float | None) -> str:
    """Such as `4 ms to 9 ms`, or `4 ms or more` where it has no end."""
    if low is None or not math.isfinite(low):
        return seconds_text(low)
    if high is None or not math.isfinite(high):
        return f"{seconds_text(low)} or more"
    return f"{seconds_text(low)} to {seconds_text(high)}"
