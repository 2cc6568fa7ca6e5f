"""Which onnxruntime there is, and where it runs models."""

import asyncio
from pathlib import Path

import pytest

from ..errors import StartupError
from ..loading import Loader
from ..repository import find_models
from ..runtime import check_distribution, installed, usable_providers
from .models import write_models


def test_exactly_one_distribution_is_accepted() -> None:
    check_distribution({"onnxruntime"})
    check_distribution({"onnxruntime-gpu"})
    check_distribution(installed())


def test_two_distributions_are_refused_by_name() -> None:
    with pytest.raises(StartupError, match="onnxruntime and onnxruntime-gpu are both installed"):
        check_distribution({"onnxruntime", "onnxruntime-gpu"})


def test_none_is_refused_with_what_to_install() -> None:
    with pytest.raises(StartupError, match=r"install servespec\[cpu\] or servespec\[gpu\]"):
        check_distribution(set())


def test_the_cpu_is_all_that_is_asked_for_when_it_is_chosen() -> None:
    assert usable_providers("cpu", strict=False) == ("CPUExecutionProvider",)


@pytest.mark.skipif("onnxruntime-gpu" in installed(), reason="this build knows CUDA")
def test_cuda_that_this_build_lacks_is_missed_aloud(caplog: pytest.LogCaptureFixture) -> None:
    assert usable_providers("cuda", strict=False) == ("CPUExecutionProvider",)
    assert "built without CUDA" in caplog.text
    with pytest.raises(StartupError, match="built without CUDA"):
        usable_providers("cuda", strict=True)


@pytest.mark.filterwarnings("ignore:Specified provider")  # no build from PyPI has it
@pytest.mark.parametrize("strict", [False, True])
def test_a_session_that_fell_back_to_the_cpu_is_noticed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, strict: bool
) -> None:
    """What a session got counts, whatever was asked for."""
    providers = ("MIGraphXExecutionProvider", "CPUExecutionProvider")
    loader = Loader(providers, strict, 1, instances=1, stalled_seconds=10, stuck_seconds=30)
    repository = find_models(write_models(tmp_path, "echo/1"))
    if strict:
        with pytest.raises(StartupError, match="runs on CPUExecutionProvider"):
            asyncio.run(loader.load(repository))
    else:
        assert asyncio.run(loader.load(repository))
        assert "runs on CPUExecutionProvider, not on MIGraphXExecutionProvider" in caplog.text
