"""Models on disk and what became of them."""

from pathlib import Path

import pytest

from ..errors import ModelNotFound, ModelNotReady, StartupError
from ..repository import State, find_models


def repository_of(directory: Path, *folders: str) -> Path:
    """A directory with these folders."""
    for folder in folders:
        (directory / folder).mkdir(parents=True)
    return directory


def test_the_latest_version_is_the_default_by_number(tmp_path: Path) -> None:
    repository = find_models(repository_of(tmp_path, "m/9", "m/10", "m/2"))
    assert repository.entry("m").version == "10"
    assert repository.entry("m", "9").version == "9"


def test_folders_that_are_no_versions_are_passed_over(tmp_path: Path) -> None:
    found = find_models(repository_of(tmp_path, "m/1", "m/v2", "m/²", "docs/images"))
    assert [(entry.name, entry.version) for entry in found.entries] == [("m", "1")]


def test_a_model_whose_version_is_no_number_is_named_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folders = repository_of(tmp_path, "m/1", "n/v2", "docs/images")
    (folders / "n" / "v2" / "model.onnx").touch()
    find_models(folders)
    expected = f"{folders / 'n' / 'v2'} is not served: expected a whole number as its version"
    assert caplog.messages == [expected]


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    repository = find_models(repository_of(tmp_path, "m/1"))
    for name, version in (("other", ""), ("M", ""), ("m", "2"), ("m", "01"), ("../m", "1")):
        with pytest.raises(ModelNotFound):
            repository.entry(name, version)


def test_a_model_that_is_not_loaded_says_so(tmp_path: Path) -> None:
    repository = find_models(repository_of(tmp_path, "m/1"))
    with pytest.raises(ModelNotReady, match="'m' version '1' is still loading"):
        repository.ready("m")
    repository.entry("m").loaded = State.FAILED
    with pytest.raises(ModelNotReady, match="'m' version '1' failed to load"):
        repository.ready("m")


def test_an_empty_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"expected <model>/<version>/model\.onnx"):
        find_models(tmp_path)
