"""Which onnxruntime there is, and where it may run models."""

import contextlib
import io
import logging
from collections.abc import Iterable
from importlib import metadata

import numpy as np

from .errors import StartupError

__all__ = ["bound_memory", "check_distribution", "installed", "usable_providers"]

_DISTRIBUTIONS = ("onnxruntime", "onnxruntime-gpu")
_LOG = logging.getLogger(__name__)
_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


def installed() -> frozenset[str]:
    """Return the distributions of onnxruntime that are installed."""
    found = set()
    for name in _DISTRIBUTIONS:
        with contextlib.suppress(metadata.PackageNotFoundError):
            metadata.version(name)
            found.add(name)
    return frozenset(found)


def check_distribution(found: Iterable[str]) -> None:
    """Refuse any number of distributions but one, before onnxruntime is imported.

    The two share one folder: installed together one overwrites the other's files, and the
    providers of the GPU are gone without a word.

    Raises:
        StartupError: none is installed, or both are.
    """
    names = sorted(found)
    if not names:
        raise StartupError("onnxruntime is not installed: install servespec[cpu] or servespec[gpu]")
    if len(names) > 1:
        raise StartupError(
            f"{' and '.join(names)} are both installed and overwrite each other's files: "
            "uninstall both, then install one"
        )


def bound_memory(size: int) -> None:
    """Let the sessions that share the process's allocator have so many bytes altogether.

    Onnxruntime allows it once in a process, before there is a session.
    """
    import onnxruntime

    kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    memory = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
    onnxruntime.create_and_register_allocator(memory, onnxruntime.OrtArenaCfg({"max_mem": size}))


def usable_providers(choice: str, *, strict: bool) -> tuple[str, ...]:
    """Return the providers to ask onnxruntime for, the preferred one first.

    What a session got in the end only the session can tell.

    Args:
        choice: "cpu", "cuda" or "auto".
        strict: whether CUDA alone is allowed.

    Raises:
        StartupError: what `strict` insists on cannot be used here.
    """
    trouble = None if choice == "cpu" else _trouble_with_cuda()
    if trouble and strict:
        raise StartupError(f"--strict-providers: {trouble}")
    if trouble and (choice == "cuda" or "onnxruntime-gpu" in installed()):
        _LOG.warning("--providers %s: %s: models run on the CPU", choice, trouble)
    return (_CPU,) if trouble or choice == "cpu" else (_CUDA, _CPU)


def _trouble_with_cuda() -> str | None:
    """Try CUDA without a model: that it is listed as available is a fact of the build only."""
    import onnxruntime

    if _CUDA not in onnxruntime.get_available_providers():
        return "this onnxruntime is built without CUDA"
    onnxruntime.set_default_logger_severity(4)  # it would repeat the trouble for every model
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):  # what libraries it cannot find
        onnxruntime.preload_dlls()
    try:
        onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(1, np.float32), "cuda")
    except RuntimeError as error:
        reason = str(error).rpartition(" CUDA ")[2]  # before it are signatures in C++
        return " ".join(f"CUDA cannot be used: {printed.getvalue()} {reason}".split())
    return None
