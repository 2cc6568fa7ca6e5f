"""How numbers are written for people."""

import math

__all__ = ["seconds_text"]


def seconds_text(seconds: float | None) -> str:
    """A time to three digits; infinity, None and what was not measured are without bound."""
    if seconds is None or not math.isfinite(seconds):
        return "unbounded"
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
