"""One server for all tests that leave it as it was."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .models import write_models
from .serving import Served, serving


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of all our models."""
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def served(models: Path) -> Iterator[Served]:
    """A server that is ready."""
    with serving(models) as server:
        yield server.becomes_ready()
