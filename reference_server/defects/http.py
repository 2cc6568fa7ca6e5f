"""Misbehaviours of HTTP itself: each overrides one small method of the protocol."""

from ..http import HttpProtocol
from .registry import http_defect


@http_defect("no-date", breaks=["HTTP-014"])
class NoDate(HttpProtocol):
    """Has a clock and does not say so."""

    def date(self) -> bytes:
        """No line at all."""
        return b""
