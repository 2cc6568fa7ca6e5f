"""The operator's page: one file that loads nothing, and shows nothing without the token."""

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from .http import HttpResponse

__all__ = ["PAGE"]

_TEXT = Path(__file__).with_name("page.html").read_text(encoding="utf-8")


def _hash(element: str) -> str:
    """Return what a policy allows an element by: the digest of what is between its tags."""
    found = re.search(rf"<{element}>(.*?)</{element}>", _TEXT, re.DOTALL)
    content = found[1] if found else ""
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"


_POLICY = "; ".join(
    (
        "default-src 'none'",
        "connect-src 'self'",
        f"script-src {_hash('script')}",
        f"style-src {_hash('style')}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

PAGE = HttpResponse(
    200,
    _TEXT.encode(),
    (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Security-Policy", _POLICY),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", "no-store"),
    ),
)
"""The answer to who asks for the page."""
