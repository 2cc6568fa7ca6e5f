"""For this repository only: its checks judge the reference server where no target was given."""

from pathlib import Path

import pytest

REFERENCE = Path(__file__).parent / "conformance/targets/reference/target.toml"


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Takes the reference server as the target, but where several processes share the tests."""
    option = config.option
    shared = getattr(option, "numprocesses", None) or hasattr(config, "workerinput")
    given = option.target or option.target_url or option.target_grpc
    option.target_by_default = not (given or shared)
    if option.target_by_default:
        option.target = str(REFERENCE)
