"""The models on disk, `<directory>/<model>/<version>/model.onnx`, and what became of each."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from time import monotonic

from .errors import ModelNotFound, ModelNotReady, StartupError
from .pipeline import Stage
from .signature import Signature

__all__ = ["Entry", "Model", "Repository", "State", "find_models"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Model:
    """One loaded version of a model.

    Attributes:
        signature: what it takes and gives.
        compute: the pipeline that ends in its engine.
        close: ends what still runs, and its engine, within so many seconds.
    """

    name: str
    version: str
    signature: Signature
    compute: Stage
    close: Callable[[float], None]


class State(Enum):
    """What became of a version; the value completes the sentence "model m version v ..."."""

    LOADING = "is still loading"
    READY = "is ready"
    FAILED = "failed to load"


@dataclass(slots=True)
class Entry:
    """One version on disk."""

    name: str
    version: str
    path: Path
    state: State = State.LOADING
    model: Model | None = None


class Repository:
    """Versions by model name and version label, the oldest version first."""

    def __init__(self, entries: Mapping[str, dict[str, Entry]]) -> None:
        self._entries = entries

    @property
    def entries(self) -> list[Entry]:
        """Every version of every model."""
        return [entry for versions in self._entries.values() for entry in versions.values()]

    def entry(self, name: str, version: str = "") -> Entry:
        """Return a version, the latest where none is named.

        Raises:
            ModelNotFound: no such model, or no such version of it.
        """
        versions = self._entries.get(name)
        if versions is None:
            raise ModelNotFound(f"unknown model {name!r}")
        if not version:
            return next(reversed(versions.values()))
        if version not in versions:
            raise ModelNotFound(f"model {name!r} has no version {version!r}")
        return versions[version]

    def ready(self, name: str, version: str = "") -> Model:
        """Return a version that can be asked.

        Raises:
            ModelNotFound: no such model, or no such version of it.
            ModelNotReady: it is loading or failed to load.
        """
        entry = self.entry(name, version)
        if entry.model is None:
            raise ModelNotReady(f"model {name!r} version {entry.version!r} {entry.state.value}")
        return entry.model

    def ready_versions(self, name: str) -> tuple[str, ...]:
        """Return the versions of a known model that can be asked."""
        return tuple(
            entry.version for entry in self._entries[name].values() if entry.state is State.READY
        )

    def close(self, limit: float) -> None:
        """End what still runs, and every engine, within `limit` seconds altogether."""
        deadline = monotonic() + limit
        for entry in self.entries:
            if entry.model is not None:
                entry.model.close(max(0.0, deadline - monotonic()))


def find_models(directory: Path) -> Repository:
    """List the models under `directory` without loading any; other files are passed over.

    Raises:
        StartupError: there are none.
    """
    found: dict[str, list[Entry]] = {}
    for path in sorted(directory.glob("*/*/")):
        if path.name.isascii() and path.name.isdecimal():
            name = path.parent.name
            found.setdefault(name, []).append(Entry(name, path.name, path / "model.onnx"))
        elif (path / "model.onnx").exists():
            _LOG.warning("%s is not served: expected a whole number as its version", path)
    if not found:
        raise StartupError(f"no model in {directory}: expected <model>/<version>/model.onnx")
    return Repository(
        {
            name: {entry.version: entry for entry in sorted(entries, key=_age)}
            for name, entries in found.items()
        }
    )


def _age(entry: Entry) -> int:
    return int(entry.version)
