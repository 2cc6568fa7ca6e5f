"""For this repository only: plain `pytest` judges the reference server beside testing the tool."""

from pathlib import Path

import pytest

REFERENCE = Path(__file__).parent / "conformance/targets/reference/target.toml"


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Takes the reference server as the target where none was given."""
    option = config.option
    option.target_by_default = not (option.target or option.target_url or option.target_grpc)
    if option.target_by_default:
        option.target = str(REFERENCE)
