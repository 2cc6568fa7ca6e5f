"""The examples work as they are."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from servespec.target.manifest import load

from .judging import SECONDS

EXAMPLES = Path(__file__).parents[2] / "examples"
SUITE = ["--pyargs", "servespec.suites.conformance", "--profile", "grpc-health"]


CI = [
    ("my_server_in_ci", ["test_my_server.py"]),
    ("my_server_in_ci", SUITE),
    ("load_test_in_ci", ["test_my_latency.py"]),
]


@pytest.mark.parametrize(("folder", "asked"), CI, ids=["own tests", "suite", "load test"])
def test_a_ci_job_judges_its_server(folder: str, asked: list[str], tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / folder, tmp_path, dirs_exist_ok=True)
    command = [sys.executable, "-m", "pytest", "-p", "servespec.plugin", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *asked, "--target", "target.toml"],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_a_gateway_is_given_its_token_and_the_private_authority(tmp_path: Path) -> None:
    file = Path(shutil.copy(EXAMPLES / "target_files/behind_a_gateway.toml", tmp_path))
    (tmp_path / "gateway-ca.pem").touch()

    manifest = load(file)

    assert manifest.headers({"MODELS_TOKEN": "abc"}) == {"Authorization": "Bearer abc"}
    assert manifest.tls()
    assert manifest.start is None


def test_a_command_says_which_planes_it_serves(tmp_path: Path) -> None:
    file = Path(shutil.copy(EXAMPLES / "target_files/started_by_command.toml", tmp_path))
    (tmp_path / "requirements.txt").touch()

    manifest = load(file)

    assert manifest.serves_rest
    assert not manifest.serves_grpc
