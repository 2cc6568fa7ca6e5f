"""Versions that come and go while the server runs, without a request that fails for it.

A version is opened and warmed up before anybody is sent to it, what was asked is written down, and
then all its requests go to it at one moment. The one that it replaces finishes what it has begun,
and is freed. Whatever goes wrong before that moment changes nothing.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from .errors import LoadError, LoadRefused, ServingError, StartupError, StateNotKept
from .loading import Loader
from .model_file import Label, chosen_versions, read_model_file
from .repository import Entry, Model, Repository, State, find_versions
from .signature import difference
from .state_file import StateFile

__all__ = ["Loaded", "ModelControl"]

_LOG = logging.getLogger(__name__)

_CLOSE_SECONDS = 5.0
"""How long an engine may take to end that nobody waits for."""


class Loaded(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be served, whatever else is on disk.

    Attributes:
        models: the versions of each model; one that has none is not served.
    """

    models: Mapping[str, tuple[Label, ...]]


class ModelControl:
    """Loads and unloads; changes of one model wait for one another, in the order that they came.

    Args:
        directory: where the models are.
        repository: what is served of them.
        loader: opens versions.
        state: keeps what is loaded; None: nothing does.
        patience: how many seconds what a version has begun may take when it goes.
    """

    def __init__(
        self,
        directory: Path,
        repository: Repository,
        loader: Loader,
        state: StateFile[Loaded] | None,
        patience: float,
    ) -> None:
        self._directory = directory
        self._repository = repository
        self._loader = loader
        self._state = state
        self._patience = patience
        self._wanted: Mapping[str, Sequence[str]] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._writing = asyncio.Lock()
        self._started = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    # The start.

    async def start(self) -> bool:
        """Load what was loaded last, or else what the models' files choose.

        Returns:
            Whether all of it can be asked.

        Raises:
            StartupError: the state is not ours, or see `Loader.load`.
        """
        kept = None if self._state is None else self._state.read()
        there = self._repository.entries
        self._wanted = self._chosen(there) if kept is None else kept.models
        labels = [(name, each) for name, versions in self._wanted.items() for each in versions]
        missing = set(labels) - {(entry.name, entry.version) for entry in there}
        self._repository.refresh([*there, *(self._entry(*key) for key in missing)])
        for entry in self._repository.entries:
            if (entry.name, entry.version) not in labels:
                entry.loaded, entry.expected = State.UNLOADED, False
        try:
            return await self._loader.load(self._repository)
        finally:
            for entry in self._repository.entries:
                entry.reason = self._without_paths(entry.reason)
            self._started.set()

    def _chosen(self, entries: Iterable[Entry]) -> Mapping[str, Sequence[str]]:
        """Return the versions that each model's file chooses."""
        labels = defaultdict[str, list[str]](list)
        for entry in entries:
            labels[entry.name].append(entry.version)
        return {name: chosen_versions(self._directory / name, labels[name]) for name in labels}

    def _entry(self, name: str, version: str) -> Entry:
        return Entry(name, version, self._directory / name / version / "model.onnx")

    # What can be asked.

    async def look(self) -> Sequence[Entry]:
        """Return every version, those that came since the last look included."""
        found = await asyncio.to_thread(find_versions, self._directory)
        for entry in found:
            entry.loaded, entry.expected = State.UNLOADED, False
        self._repository.refresh(found)
        return self._repository.entries

    async def load(self, name: str, version: str = "") -> None:
        """Load a version, or those that the model's file chooses; those that serve are reloaded.

        Returns when they serve, and what they replace is freed.

        Raises:
            ModelNotFound: no such model, or no such version of it.
            LoadRefused: one of them cannot be served; nothing has changed.
            StateNotKept: likewise.
        """
        await self._whatever_happens(self._load(name, version))

    async def unload(self, name: str, version: str = "") -> None:
        """Serve a version, or all of a model, no more; returns when they are freed.

        Raises:
            ModelNotFound: no such model, or no such version of it.
            StateNotKept: what was asked could not be written down; nothing has changed.
        """
        await self._whatever_happens(self._unload(name, version))

    async def _load(self, name: str, version: str) -> None:
        await self._started.wait()
        async with self._turns[name]:
            await self.look()
            self._repository.entry(name, version)
            labels = [version] if version else await self._of_the_file(name)
            coming = await self._prepared(name, labels)
            going = [] if version else self._serving(name, besides=labels)
            retired = await self._exchange(name, coming, going)
        await asyncio.gather(*(self._retire(*each) for each in retired))

    async def _unload(self, name: str, version: str) -> None:
        await self._started.wait()
        async with self._turns[name]:
            named = [self._repository.entry(name, version)] if version else []
            retired = await self._exchange(name, [], named or self._repository.versions(name))
        await asyncio.gather(*(self._retire(*each) for each in retired))

    async def _of_the_file(self, name: str) -> Sequence[str]:
        """Return the versions that a model's file chooses of those on disk."""
        labels = [entry.version for entry in self._repository.versions(name)]
        try:
            found = await asyncio.to_thread(read_model_file, self._directory / name)
        except LoadError as error:
            raise self._refusal(f"model {name!r}", str(error)) from error
        return found.versions.chosen(labels)

    def _serving(self, name: str, besides: Sequence[str]) -> list[Entry]:
        found = self._repository.versions(name)
        return [each for each in found if each.model is not None and each.version not in besides]

    async def _prepared(self, name: str, labels: Iterable[str]) -> list[tuple[Entry, Model]]:
        """Open all of them, or none."""
        entries = [self._repository.entry(name, label) for label in labels]
        prepared = list[tuple[Entry, Model]]()
        try:
            for entry in entries:
                prepared.append((entry, await self._prepare(entry)))
        except BaseException:
            await self._give_up(prepared)
            raise
        return prepared

    async def _prepare(self, entry: Entry) -> Model:
        if entry.model is None:
            entry.loaded = State.LOADING
        try:
            model = await self._loader.prepare(entry)
            await self._check_signature(entry, model)
            return model
        except (LoadError, ServingError, StartupError) as error:
            why = str(error)  # no more of it: its frames hold what was opened
        _rest(entry)
        refusal = self._refusal(f"model {entry.name!r} version {entry.version!r}", why)
        entry.reason = str(refusal)
        raise refusal

    async def _check_signature(self, entry: Entry, model: Model) -> None:
        """Hold it to what its callers know: the version that it replaces, or the one that serves.

        Raises:
            LoadError: it takes or gives something else.
        """
        serving = entry.model or self._repository.entry(entry.name).model
        if serving is None:
            return
        text = difference(serving.signature, model.signature)
        if text is not None:
            await asyncio.to_thread(model.close, _CLOSE_SECONDS)
            raise LoadError(f"{text} in version {serving.version}, which serves")

    async def _exchange(
        self, name: str, coming: Sequence[tuple[Entry, Model]], going: Sequence[Entry]
    ) -> list[tuple[Entry, Model]]:
        """Write down what is asked, then do it at one moment; return what is to be freed."""
        labels = {*self._wanted.get(name, ()), *(entry.version for entry, _ in coming)}
        labels -= {entry.version for entry in going}
        try:
            await self._keep(name, sorted(labels, key=int))
        except StateNotKept:
            await self._give_up(coming)
            raise
        changed = [*(entry for entry, _ in coming), *going]
        retired = [(entry, entry.model) for entry in changed if entry.model is not None]
        for entry, model in coming:
            entry.model, entry.loaded, entry.expected, entry.reason = model, State.READY, True, ""
        for entry in going:
            entry.loaded = State.UNLOADED if entry.model is None else State.UNLOADING
            entry.model, entry.expected, entry.reason = None, False, ""
        self._repository.retired.update(model for _, model in retired)
        return retired

    async def _keep(self, name: str, labels: Sequence[str]) -> None:
        async with self._writing:
            wanted = {**self._wanted, name: labels}
            if self._state is not None:
                kept = Loaded({each: tuple(versions) for each, versions in wanted.items()})
                await asyncio.to_thread(self._state.write, kept)
            self._wanted = wanted

    async def _retire(self, entry: Entry, model: Model) -> None:
        """Free a version when all that it has begun is answered."""
        try:
            async with asyncio.timeout(self._patience):
                await model.uses.over()
        except TimeoutError:
            model.abort()
        await asyncio.to_thread(model.close, _CLOSE_SECONDS)
        self._repository.retired.discard(model)
        others = (each for each in self._repository.retired if each.name == entry.name)
        if all(other.version != entry.version for other in others):
            _rest(entry)

    async def _give_up(self, prepared: Iterable[tuple[Entry, Model]]) -> None:
        for entry, model in prepared:
            _rest(entry)
            await asyncio.to_thread(model.close, _CLOSE_SECONDS)

    def _refusal(self, what: str, why: str) -> LoadRefused:
        """Say it in one line, without the paths of the machine."""
        why = self._without_paths(why)
        _LOG.error("%s is not loaded: %s", what, why)
        return LoadRefused(f"{what} is not loaded: {why}")

    def _without_paths(self, text: str) -> str:
        return " ".join(text.replace(f"{self._directory}/", "").split())

    async def _whatever_happens(self, work: Coroutine[Any, Any, None]) -> None:
        """Finish what was begun, also for who leaves: half of it would be neither old nor new."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        await asyncio.shield(task)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # was told to its caller, or logged


def _rest(entry: Entry) -> None:
    """Have a version that is not served show it."""
    if entry.model is None and entry.loaded in (State.LOADING, State.UNLOADING):
        entry.loaded = State.FAILED if entry.expected else State.UNLOADED
