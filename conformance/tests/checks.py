"""All checks of the suite, as they are written."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from servespec.verdicts.requirement import Check

__all__ = ["SUITE", "Written", "written_checks"]

SUITE = (__package__ or "").rpartition(".")[0]
"""The package of the checks: `conformance` in a clone."""


@dataclass(frozen=True, slots=True)
class Written:
    """A check, the function that judges it and the file that the function stands in."""

    check: Check
    function: Callable[..., None]
    file: Path


def written_checks() -> list[Written]:
    """Every check, file by file."""
    return [check for module in _modules() for check in _checks(module)]


def _modules() -> Iterator[ModuleType]:
    suite = importlib.import_module(SUITE)
    for found in pkgutil.walk_packages(suite.__path__, f"{SUITE}."):
        place, _, name = found.name.rpartition(".")
        if name.startswith("test_") and not place.endswith(".tests"):
            yield importlib.import_module(found.name)


def _checks(module: ModuleType) -> Iterator[Written]:
    for _, function in inspect.getmembers(module, inspect.isfunction):
        marks = getattr(function, "pytestmark", [])
        for mark in marks:
            if mark.name == "requirement" and function.__module__ == module.__name__:
                yield Written(mark.args[0], function, Path(str(module.__file__)))
