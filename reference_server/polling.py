"""What is on disk is served: `--model-control poll`."""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from .errors import ServingError
from .model_control import ModelControl
from .model_file import chosen_versions
from .repository import Entry, find_versions

__all__ = ["Follower"]

_LOG = logging.getLogger(__name__)

Version: TypeAlias = tuple[str, str]
"""A model's name and the label of a version."""
Mark: TypeAlias = tuple[tuple[str, int, int], ...]
"""What tells the files of a version from those that were there before: name, size, time."""


class Follower:
    """Looks at the files again and again, and loads and unloads what has changed.

    A version that is refused is tried again when its files have changed, not before. One that
    serves goes when all that are to be served are, or its files are gone.

    Args:
        directory: where the models are.
        control: loads and unloads.
        seconds: from one look to the next.
    """

    def __init__(self, directory: Path, control: ModelControl, seconds: float) -> None:
        self._directory = directory
        self._control = control
        self._seconds = seconds
        self._tried: dict[Version, Mark] = {}

    async def run(self) -> None:
        """Look for as long as the server runs; what is there at first is loaded by its start."""
        with contextlib.suppress(OSError):  # then all is new at the next look
            self._tried = await asyncio.to_thread(self._wanted)
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self.look()
            except OSError as error:  # such as a folder that goes while it is listed
                _LOG.warning("the models cannot be looked at, and are looked at again: %s", error)

    async def look(self) -> None:
        """Look once."""
        wanted = await asyncio.to_thread(self._wanted)
        changed = [each for each, mark in wanted.items() if self._tried.get(each) != mark]
        self._tried = wanted
        for name, version in changed:
            await self._try(self._control.load(name, version))
        for entry in _superfluous(await self._control.look(), wanted):
            await self._try(self._control.unload(entry.name, entry.version))

    async def _try(self, change: Awaitable[None]) -> None:
        with contextlib.suppress(ServingError):  # it was logged, and is in the index
            await change

    def _wanted(self) -> dict[Version, Mark]:
        """Return what is to be served, and what its files are like."""
        labels = defaultdict[str, list[str]](list)
        for entry in find_versions(self._directory):
            if entry.path.exists():
                labels[entry.name].append(entry.version)
        return {
            (name, version): self._mark(name, version)
            for name, versions in labels.items()
            for version in chosen_versions(self._directory / name, sorted(versions, key=int))
        }

    def _mark(self, name: str, version: str) -> Mark:
        folder = self._directory / name
        files = [*folder.glob("*"), *(folder / version).rglob("*")]
        return tuple(_seen(path) for path in sorted(files) if path.is_file())


def _seen(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except OSError:  # gone since it was listed
        return str(path), -1, -1
    return str(path), status.st_size, status.st_mtime_ns


def _superfluous(entries: Sequence[Entry], wanted: Mapping[Version, Mark]) -> list[Entry]:
    """Return what serves and should not, of the models of which all that should does."""
    serving = {(entry.name, entry.version) for entry in entries if entry.model is not None}
    lacking = {name for name, version in wanted if (name, version) not in serving}
    return [
        entry
        for entry in entries
        if entry.model is not None
        and (entry.name, entry.version) not in wanted
        and entry.name not in lacking
    ]
