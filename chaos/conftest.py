"""What every experiment starts from."""

from pathlib import Path

import pytest

from servespec.target.manifest import Manifest, load


@pytest.fixture(scope="session")
def manifest(request: pytest.FixtureRequest) -> Manifest:
    """The target file of `--target`: how a replica is started."""
    file = request.config.option.target
    if file is None:
        pytest.fail("no target: give --target FILE, as `make chaos` does", pytrace=False)
    return load(Path(file))
