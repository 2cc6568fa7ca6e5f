"""The models on disk, `<directory>/<model>/<version>/model.onnx`, and what became of each."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from time import monotonic

from .engine import EngineState
from .errors import ModelNotFound, ModelNotLoaded, ModelNotReady, StartupError
from .keys import Keys
from .model_file import Queueing
from .pipeline import Stage
from .routes import Routes
from .signature import Signature

__all__ = ["Entry", "Model", "Repository", "State", "Uses", "find_models", "find_versions"]

_LOG = logging.getLogger(__name__)


class Uses:
    """Counts who uses something, so that it can be freed when nobody does; for the event loop."""

    __slots__ = ("_count", "_none")

    def __init__(self) -> None:
        self._count = 0
        self._none = asyncio.Event()

    def begin(self) -> None:
        """Count one more."""
        self._count += 1

    def end(self) -> None:
        """Count one less."""
        self._count -= 1
        if not self._count:
            self._none.set()

    async def over(self) -> None:
        """Return when nobody uses it."""
        while self._count:
            self._none.clear()
            await self._none.wait()


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """One loaded version of a model; in its `with` block it is in use, and will not be freed.

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
        uses: who asks it just now.
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
    uses: Uses = field(default_factory=Uses)

    def __enter__(self) -> "Model":
        self.uses.begin()
        return self

    def __exit__(self, *_error: object) -> None:
        self.uses.end()


class State(Enum):
    """What became of a version; the value completes the sentence "model m version v ..."."""

    LOADING = "is still loading"
    READY = "is ready"
    FAILED = "failed to load"
    DOWN = "is down"
    STALLED = "is stalled"
    STUCK = "is stuck"
    UNLOADING = "is being unloaded"
    UNLOADED = "is not loaded"


@dataclass(slots=True)
class Entry:
    """One version on disk.

    Attributes:
        loaded: how far it got, whatever its engine does since.
        model: where it can be asked.
        expected: whether the server is not ready without it.
        reason: why it was not loaded when that was last tried.
    """

    name: str
    version: str
    path: Path
    loaded: State = State.LOADING
    model: Model | None = None
    expected: bool = True
    reason: str = ""

    @property
    def state(self) -> State:
        """What became of it, its engine included; may be asked from any thread."""
        model = self.model
        return self.loaded if model is None else _STATES[model.health()]

    @property
    def is_at_rest(self) -> bool:
        """Whether it is neither served nor about to be."""
        return self.model is None and self.loaded in (State.FAILED, State.UNLOADED)


_STATES: Mapping[EngineState, State] = {
    EngineState.WORKING: State.READY,
    EngineState.DOWN: State.DOWN,
    EngineState.STALLED: State.STALLED,
    EngineState.STUCK: State.STUCK,
}


class Repository:
    """Versions by model name and version label, the oldest version first.

    It is changed on the event loop alone, and may be read from any thread.
    """

    def __init__(self, entries: Mapping[str, dict[str, Entry]]) -> None:
        self._entries = entries
        self._listeners: list[Callable[[Entry], None]] = []
        self.retired: set[Model] = set()
        """Those that finish what they have begun, before they are freed."""

    @property
    def entries(self) -> list[Entry]:
        """Every version of every model."""
        return [entry for versions in self._entries.values() for entry in versions.values()]

    def listen(self, listener: Callable[[Entry], None]) -> None:
        """Have `listener` called with every version that there is, and with those to come."""
        self._listeners.append(listener)
        for entry in self.entries:
            listener(entry)

    def versions(self, name: str) -> list[Entry]:
        """Return the versions of a model, the oldest first.

        Raises:
            ModelNotFound: no such model.
        """
        return [*self._of(name).values()]

    def entry(self, name: str, version: str = "") -> Entry:
        """Return a version; where none is named, the latest that can be asked, if any can.

        Raises:
            ModelNotFound: no such model, or no such version of it.
        """
        versions = self._of(name)
        if not version:
            return _default(versions)
        if version not in versions:
            raise ModelNotFound(f"model {name!r} has no version {version!r}")
        return versions[version]

    def _of(self, name: str) -> dict[str, Entry]:
        versions = self._entries.get(name)
        if versions is None:
            raise ModelNotFound(f"unknown model {name!r}")
        return versions

    def ready(self, name: str, version: str = "") -> Model:
        """Return a version that can be asked.

        Raises:
            ModelNotFound: no such model, or no such version of it, or it is not loaded.
            ModelNotReady: it is loading or failed to load.
        """
        entry = self.entry(name, version)
        if entry.model is None:
            unwanted = entry.loaded in (State.UNLOADING, State.UNLOADED)
            kind = ModelNotLoaded if unwanted else ModelNotReady
            raise kind(f"model {name!r} version {entry.version!r} {entry.loaded.value}")
        return entry.model

    def refresh(self, found: Iterable[Entry]) -> None:
        """Take in the versions on disk, and let go of those at rest that are gone from there."""
        there = {(entry.name, entry.version): entry for entry in found}
        kept = [
            each
            for each in self.entries
            if (each.name, each.version) in there or not each.is_at_rest
        ]
        known = {(entry.name, entry.version) for entry in kept}
        added = [entry for key, entry in there.items() if key not in known]
        self._entries = _by_name([*kept, *added])
        for entry in added:
            for listener in self._listeners:
                listener(entry)

    def ready_versions(self, name: str) -> tuple[str, ...]:
        """Return the versions of a known model that can be asked."""
        return tuple(
            entry.version for entry in self._entries[name].values() if entry.model is not None
        )

    def health(self) -> Mapping[tuple[str, str], State]:
        """Return the state of every version that is expected; may be asked from any thread."""
        return {
            (entry.name, entry.version): entry.state for entry in self.entries if entry.expected
        }

    def states(self) -> Mapping[tuple[str, str], State]:
        """Return the state of every version; may be asked from any thread."""
        return {(entry.name, entry.version): entry.state for entry in self.entries}

    def close(self, limit: float) -> None:
        """End what still runs, and every engine, within `limit` seconds altogether."""
        deadline = monotonic() + limit
        serving = (entry.model for entry in self.entries if entry.model is not None)
        for model in (*serving, *self.retired):
            model.close(max(0.0, deadline - monotonic()))


def find_models(directory: Path) -> Repository:
    """List the models under `directory` without loading any; other files are passed over.

    Raises:
        StartupError: there are none.
    """
    found = find_versions(directory)
    for path in sorted(directory.glob("*/*/model.onnx")):
        if not _is_version(path.parent):
            text = "%s is not served: expected a whole number as its version"
            _LOG.warning(text, path.parent)
    if not found:
        raise StartupError(f"no model in {directory}: expected <model>/<version>/model.onnx")
    return Repository(_by_name(found))


def find_versions(directory: Path) -> list[Entry]:
    """List the versions of all models under `directory`."""
    folders = filter(_is_version, directory.glob("*/*/"))
    return [Entry(path.parent.name, path.name, path / "model.onnx") for path in folders]


def _is_version(folder: Path) -> bool:
    return folder.name.isascii() and folder.name.isdecimal()


def _by_name(entries: Iterable[Entry]) -> dict[str, dict[str, Entry]]:
    ordered = sorted(entries, key=lambda entry: (entry.name, int(entry.version)))
    names = {entry.name: dict[str, Entry]() for entry in ordered}
    for entry in ordered:
        names[entry.name][entry.version] = entry
    return names


def _default(versions: dict[str, Entry]) -> Entry:
    """Return the version that answers who names none."""
    newest_first = [*reversed(versions.values())]
    for entry in newest_first:
        if entry.model is not None:
            return entry
    return next((entry for entry in newest_first if entry.expected), newest_first[0])
