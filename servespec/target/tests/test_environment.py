"""A target that needs packages of its own gets an environment of its own."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from servespec.target.environment import InstallError, interpreter, variables, version
from servespec.target.manifest import Manifest, load


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Manifest:
    """A target that needs a package which lies beside its file."""
    monkeypatch.setenv("SERVESPEC_HOME", str(tmp_path / "home"))
    wheel = tmp_path / "needed-1.0-py3-none-any.whl"
    about = "needed-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("needed.py", "ANSWER = 42\n")
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: needed\nVersion: 1.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    (tmp_path / "requirements.txt").write_text(f"./{wheel.name}\n")
    file = tmp_path / "target.toml"
    file.write_text(
        '[target]\nname = "needy"\n'
        'version_command = ["{python}", "-c", "import needed; print(needed.ANSWER)"]\n'
        '[start]\ncommand = ["x", "{http_port}"]\nrequirements = "requirements.txt"\n'
    )
    return load(file)


def test_an_environment_is_made_once(
    manifest: Manifest, capsys: pytest.CaptureFixture[str]
) -> None:
    python = interpreter(manifest)

    assert version(manifest, python) == "42"
    assert "servespec: installing" in capsys.readouterr().err
    assert interpreter(manifest) == python
    assert capsys.readouterr().err == ""


def test_without_uv_pip_makes_it(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    assert version(manifest, interpreter(manifest)) == "42"


def test_a_file_named_by_a_relative_path_is_as_good(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path.parent)
    relative = load(manifest.file.relative_to(tmp_path.parent))

    assert version(relative, interpreter(relative)) == "42"


def test_other_requirements_are_another_environment(manifest: Manifest, tmp_path: Path) -> None:
    before = interpreter(manifest)
    (tmp_path / "requirements.txt").write_text("# nothing any more\n")

    assert interpreter(manifest) != before


def test_a_half_made_environment_is_made_anew(manifest: Manifest) -> None:
    python = interpreter(manifest)
    folder = python.parent.parent
    (folder / "complete").unlink()
    (folder / "remains").touch()
    interpreter(manifest)

    assert not (folder / "remains").exists()


def test_a_failed_installation_is_one_line_and_the_installers_last_words(
    manifest: Manifest, tmp_path: Path
) -> None:
    (tmp_path / "requirements.txt").write_text("./absent-1.0-py3-none-any.whl\n")

    for _ in range(2):
        with pytest.raises(InstallError) as caught:
            interpreter(manifest)
        sentence, *tail = str(caught.value).splitlines()
        assert re.search(r"requirements.txt ended with code \d", sentence)
        assert "absent-1.0" in " ".join(tail)


def test_its_scripts_come_first(manifest: Manifest) -> None:
    python = interpreter(manifest)
    script = python.parent / "needed-script"
    script.write_text("#!/bin/sh\necho found\n")
    script.chmod(0o755)

    found = subprocess.check_output(["needed-script"], env=variables(python), text=True)
    assert found == "found\n"


def test_without_requirements_the_suites_python_is_used() -> None:
    manifest = Manifest.for_url("http://localhost")

    assert interpreter(manifest) == Path(sys.executable)
    assert version(manifest, interpreter(manifest)) == ""
