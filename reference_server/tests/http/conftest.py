"""The server that most of these tests talk to."""

from collections.abc import Iterator

import pytest

from ...http import HttpLimits
from .serving import Served, serving

LIMITS = HttpLimits(max_body_bytes=1000, max_header_bytes=2000, max_headers=20)


@pytest.fixture(scope="package")
def served() -> Iterator[Served]:
    """An echo with small limits."""
    with serving(limits=LIMITS) as running:
        yield running
