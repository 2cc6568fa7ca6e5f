"""Which onnxruntime there is, and where it may run models."""

import contextlib
import logging
import sys
from collections.abc import Iterable
from importlib import metadata

from .errors import StartupError

__all__ = ["check_distribution", "installed", "usable_providers"]

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


def usable_providers(choice: str, *, strict: bool) -> tuple[str, ...]:
    """Return the providers to ask onnxruntime for, the preferred one first.

    This is what the build knows; what a session got in the end only the session can tell.

    Args:
        choice: "cpu", "cuda" or "auto".
        strict: whether "cuda" allows nothing else.

    Raises:
        StartupError: this onnxruntime was built without what `strict` insists on.
    """
    import onnxruntime

    if choice == "cpu":
        return (_CPU,)
    if _CUDA not in onnxruntime.get_available_providers():
        if choice == "cuda" and strict:
            raise StartupError("--strict-providers: this onnxruntime is built without CUDA")
        if choice == "cuda":
            _LOG.warning("--providers cuda: this onnxruntime is built without CUDA")
        return (_CPU,)
    with contextlib.redirect_stdout(sys.stderr):  # it prints what it cannot find
        onnxruntime.preload_dlls()
    return (_CUDA, _CPU)
