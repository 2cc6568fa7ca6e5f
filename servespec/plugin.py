"""The pytest plugin: options `--target-*`, the fixtures `target` and `load_test`, the verdicts.

It imports neither httpx nor grpc while pytest starts: who has servespec installed and judges
nothing pays nothing.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from servespec.target.target import Target

    from .judge import Judge
    from .loading import LoadTest

__all__ = ["load_test", "target"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declares what is judged and how far the suite may go."""
    group = parser.getgroup("servespec", "judging a model server")
    group.addoption("--target", metavar="FILE", help="target file (TOML); starts the server itself")
    group.addoption("--target-url", metavar="URL", help="REST address of a running server")
    group.addoption("--target-grpc", metavar="HOST:PORT", help="gRPC address of a running server")
    group.addoption(
        "--profile",
        action="append",
        metavar="NAME",
        help="judge only this profile (repeatable, or separated by commas)",
    )
    group.addoption(
        "--intrusive",
        action="store_true",
        help="also run what saturates or may kill a server that was given by its URL",
    )
    group.addoption(
        "--report-dir", metavar="DIR", default="reports", help="where reports go (reports/)"
    )
    group.addoption("--baseline", metavar="FILE", help="known failures (default: beside --target)")
    group.addoption(
        "--defects-switch",
        metavar="URL",
        help="run each check against its own defect of the reference server",
    )


@pytest.hookimpl(trylast=True)  # behind pytest's own hook for what is raised in finalizers
def pytest_configure(config: pytest.Config) -> None:
    """Registers the markers, and the judge where there is something to judge."""
    config.addinivalue_line(
        "markers", "requirement(id, check, kind, fixtures): the check judges this requirement"
    )
    config.addinivalue_line(
        "markers", "timeout(seconds): of pytest-timeout, which is not loaded to judge a server"
    )
    if config.option.target or config.option.target_url or config.option.target_grpc:
        if getattr(config.option, "numprocesses", None):
            raise pytest.UsageError(
                "-n: expected none beside a target: one process judges, one check after the other"
            )
        from .judge import Judge
        from .session import MISTAKES, Options

        try:
            judge = Judge(Options.from_pytest(config.option))
        except MISTAKES as error:
            raise pytest.UsageError(str(error)) from None
        config.pluginmanager.register(judge, Judge.NAME)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves the tests of the tool out when a target was given: they judge us, not it."""
    given = config.pluginmanager.has_plugin("servespec-judge")
    named = getattr(config.option, "target_by_default", False)
    return True if given and not named and collection_path.name == "tests" else None


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest) -> "Target":
    """The judged server; started on first use, stopped at the end of the run."""
    judge: Judge | None = request.config.pluginmanager.get_plugin("servespec-judge")
    if judge is None:
        pytest.fail(
            "no target: give --target FILE, --target-url URL or --target-grpc HOST:PORT",
            pytrace=False,
        )
    return judge.session.target


@pytest.fixture(scope="session")
def load_test(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> "LoadTest":
    """Loads the judged server: `load_test("tail", slo=["p99 < 100ms"]).verdict == "PASS"`."""
    from .loading import LoadTest

    request.getfixturevalue("target")
    judge: Judge | None = request.config.pluginmanager.get_plugin("servespec-judge")
    assert judge is not None
    addresses, file = judge.session.addresses, request.config.option.target
    given = {"target-url": addresses.rest, "target-grpc": addresses.grpc, "target": file}
    words = [f"--{name}={value}" for name, value in given.items() if value]
    return LoadTest(words, lambda: tmp_path_factory.mktemp("load"))
