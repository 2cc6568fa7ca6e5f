"""The models on disk, `<directory>/<model>/<version>/model.onnx`, and what became of each."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from time import monotonic

from .engine import EngineState
from .errors import ModelNotFound, ModelNotReady, StartupError
from .keys import Keys
from .model_file import Queueing
from .pipeline import Stage
from .routes import Routes
from .signature import Signature

__all__ = ["Entry", "Model", "Repository", "State", "find_models"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Model:
    """One loaded version of a model.

    Attributes:
        signature: what it takes and gives.
        compute: the pipeline that ends in its engine.
        health: what callers have to expect of its engine; may be asked from any thread.
        queue_depth: how much work waits to be run; may be asked from any thread.
        abort: fails all that is queued or runs, at once; only for the event loop.
        close: ends what still runs, and its engine, within so many seconds.
        keys: names what it computes; None where it computes for each caller anew.
        queueing: how its works wait.
        routes: which version serves, as far as its `model.toml` says.
    """

    name: str
    version: str
    signature: Signature
    compute: Stage
    health: Callable[[], EngineState]
    queue_depth: Callable[[], int]
    abort: Callable[[], None]
    close: Callable[[float], None]
    keys: Keys | None
    queueing: Queueing
    routes: Routes


class State(Enum):
    """What became of a version; the value completes the sentence "model m version v ..."."""

    LOADING = "is still loading"
    READY = "is ready"
    FAILED = "failed to load"
    DOWN = "is down"
    STALLED = "is stalled"
    STUCK = "is stuck"


@dataclass(slots=True)
class Entry:
    """One version on disk.

    Attributes:
        loaded: how far it got: LOADING, READY or FAILED.
        model: where it can be asked.
    """

    name: str
    version: str
    path: Path
    loaded: State = State.LOADING
    model: Model | None = None

    @property
    def state(self) -> State:
        """What became of it, its engine included; may be asked from any thread."""
        model = self.model
        return self.loaded if model is None else _STATES[model.health()]


_STATES: Mapping[EngineState, State] = {
    EngineState.WORKING: State.READY,
    EngineState.DOWN: State.DOWN,
    EngineState.STALLED: State.STALLED,
    EngineState.STUCK: State.STUCK,
}


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
            raise ModelNotReady(f"model {name!r} version {entry.version!r} {entry.loaded.value}")
        return entry.model

    def ready_versions(self, name: str) -> tuple[str, ...]:
        """Return the versions of a known model that can be asked."""
        return tuple(
            entry.version for entry in self._entries[name].values() if entry.model is not None
        )

    def health(self) -> Mapping[tuple[str, str], State]:
        """Return the state of every version of every model; may be asked from any thread."""
        return {(entry.name, entry.version): entry.state for entry in self.entries}

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
