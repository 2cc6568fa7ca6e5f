"""The wheel works on its own: installed beside other packages, run from an empty folder."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(300)
ROOT = Path(__file__).parents[2]
TARGET = ROOT / "conformance/targets/reference/target.toml"
SECONDS = 240.0


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as a release would have it, built with what is installed here."""
    folder = tmp_path_factory.mktemp("dist")
    options = ["--wheel", "--no-build-isolation", "--offline", "--out-dir", str(folder)]
    command = [sys.executable, "-m", "uv", "build", *options, "--python", sys.executable, str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=SECONDS)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel unpacked in a folder of its own, as an installer does."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_it_installs_one_top_level_name(installed: Path) -> None:
    names = {path.name for path in installed.iterdir() if path.suffix != ".dist-info"}

    assert names == {"servespec"}


def test_it_judges_from_an_empty_folder_and_leaves_only_the_report(
    installed: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "pytest", "-v", "--pyargs", "servespec.suites.conformance"]
    command += ["-p", "no:cacheprovider", "--profile=grpc-health,binary", "--target", str(TARGET)]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert "certified for grpc-health, binary" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["reports"]
