"""From a file on disk to a model that can be asked."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Protocol, TypeAlias

import numpy as np
from msgspec import structs

from servespec.wire.datatypes import DATATYPES
from servespec.wire.messages import TensorMetadata

from .adaptive import AdaptiveLimit, LimitedStage
from .batching import BatchQueue, Forming
from .engine import Engine
from .errors import ComputeFailed, InvalidRequest, LoadError, ServingError, StartupError
from .keys import Keys
from .manifest import check_manifest
from .merging import Merger
from .model_file import Batching, ModelFile, read_model_file
from .pipeline import Execute, Stage
from .repository import Entry, Model, Repository, State
from .reusing import Reusing
from .room import Room
from .session import Session, open_session
from .signature import Signature, Work, batched
from .steps import Function, Step, SteppedStage, load_function
from .workers import Workers

__all__ = ["EngineDefects", "Loader"]

_LOG = logging.getLogger(__name__)

_NOT_BATCHED = Batching(max_rows=1)

Executed: TypeAlias = Callable[[str, str, int], None]
"""Hears of each execution: the model, its version, and the rows; called on the event loop."""


class EngineDefects(Protocol):
    """Deliberate misbehaviour of engines."""

    def wrap_engine(self, model: str, version: str, execute: Execute) -> Execute:
        """Put what is active around the execution of a model's batches."""

    def wrap_queue(self, queue: BatchQueue) -> None:
        """Have what is active form a model's batches."""


@dataclass(frozen=True, slots=True)
class _Opened:
    """What a model's files hold, and how many bytes they have."""

    settings: ModelFile
    generation: bytes
    session: Session
    preprocess: Function | None
    postprocess: Function | None
    size: int

    @property
    def has_steps(self) -> bool:
        """Whether Python runs around the engine."""
        return self.preprocess is not None or self.postprocess is not None

    def around(self, name: str, stage: Stage, threads: Workers) -> Stage:
        """Put the model's steps around its engine, where it has any."""
        if not self.has_steps:
            return stage
        signature, before, behind = self.session.signature, self.preprocess, self.postprocess
        preprocess = before and Step("preprocess", name, before, signature.inputs)
        postprocess = behind and Step("postprocess", name, behind, signature.outputs)
        return SteppedStage(signature, preprocess, postprocess, threads, stage).compute


@dataclass(frozen=True, slots=True)
class Loader:
    """Loads models, one after the other, off the event loop.

    Attributes:
        providers: to ask for, the preferred one first.
        strict: refuse a model that did not get the preferred provider.
        intra_op_threads: of one inference.
        instances: of each model's engine.
        stalled_seconds: how long a batch may run before its engine counts as stalled.
        stuck_seconds: how long a batch may run before its engine counts as stuck.
        executed: hears of each execution.
        defects: put around the engines; None where there can be none.
        step_threads: of each model's Python steps; None where none may be run.
        reusing: what models share that cache or coalesce; None where none does.
        max_queue: how many works may wait for a model that does not say.
        memory_bytes: what `runtime.bound_memory` leaves to all models, if that was called.
        adaptive_limit: whether how much a model may have at once follows from its times.
        room: what their files may take together.
    """

    providers: Sequence[str]
    strict: bool
    intra_op_threads: int
    instances: int
    stalled_seconds: float
    stuck_seconds: float
    executed: Executed | None = None
    defects: EngineDefects | None = None
    step_threads: int | None = None
    reusing: Reusing | None = None
    max_queue: int | None = None
    memory_bytes: int | None = None
    adaptive_limit: bool = False
    room: Room = field(default_factory=partial(Room, None))

    async def load(self, repository: Repository) -> bool:
        """Load and warm up every model; return whether all of them can be asked.

        Raises:
            StartupError: a model did not get the provider that `strict` insists on.
        """
        expected = [entry for entry in repository.entries if entry.expected]
        for entry in expected:
            try:
                entry.model = await self.prepare(entry)
                entry.loaded = State.READY
            except (LoadError, ServingError) as error:
                entry.loaded, entry.reason = State.FAILED, str(error)
                _LOG.error(
                    "model %s version %s failed to load: %s", entry.name, entry.version, error
                )
        return all(entry.loaded is State.READY for entry in expected)

    async def prepare(self, entry: Entry) -> Model:
        """Open a version and warm it up; nobody is sent to it yet.

        Raises:
            LoadError: it cannot be served, or there is no room for it.
            ServingError: it has run, and wants more than there is.
            StartupError: it did not get the provider that `strict` insists on.
        """
        opened = await self._opened(entry)
        model = self._model(entry, opened)
        try:
            self._check_provider(entry, opened.session)
            await _warm_up(model)
        except BaseException:
            model.abort()
            model.close(0.0)
            raise
        return model

    async def _opened(self, entry: Entry) -> "_Opened":
        """Open in a thread that does not hold up an exit: a large model takes minutes."""
        opened = Future[_Opened]()
        opened.set_running_or_notify_cancel()  # who awaits it may leave, the thread goes on

        def run() -> None:
            try:
                opened.set_result(self._open(entry))
            except (LoadError, StartupError) as error:  # its frames would hold what was opened
                opened.set_exception(error.with_traceback(None))
            except Exception as error:
                opened.set_exception(error)

        Thread(target=run, daemon=True).start()
        return await asyncio.wrap_future(opened)

    def _open(self, entry: Entry) -> "_Opened":
        size = self.room.take(entry.path.parent)
        try:
            return self._read(entry, size)
        except BaseException:
            self.room.give_back(size)
            raise

    def _read(self, entry: Entry, size: int) -> "_Opened":
        check_manifest(entry.path.parent)
        folder = entry.path.parent.parent
        settings = read_model_file(folder)
        preprocess = self._function(folder, settings.steps.preprocess)
        postprocess = self._function(folder, settings.steps.postprocess)
        session = open_session(
            entry.path, self.providers, self.intra_op_threads, memory_bytes=self.memory_bytes
        )
        if settings.batching is not None:
            session = replace(session, signature=batched(session.signature, settings.batching))
        settings = self._bounded(settings)
        generation = self._generation(entry, settings)
        return _Opened(settings, generation, session, preprocess, postprocess, size)

    def _generation(self, entry: Entry, settings: ModelFile) -> bytes:
        if self.reusing is None:
            return b""
        return self.reusing.generation(entry.path.parent, settings)

    def _bounded(self, settings: ModelFile) -> ModelFile:
        """Bound the queue of a model that does not."""
        queue = settings.queue
        size = queue.max_size or self.max_queue
        return structs.replace(settings, queue=structs.replace(queue, max_size=size))

    def _function(self, folder: Path, place: str | None) -> Function | None:
        if place is None:
            return None
        if self.step_threads is None:
            raise LoadError(f"steps: {place}: expected the server's flag --python-steps")
        return load_function(folder, place)

    def _check_provider(self, entry: Entry, session: Session) -> None:
        got, wanted = session.providers[0], self.providers[0]
        if got == wanted:
            return
        found = f"model {entry.name} version {entry.version} runs on {got}, not on {wanted}"
        if self.strict:
            raise StartupError(f"--strict-providers: {found}")
        _LOG.warning("%s", found)

    def _model(self, entry: Entry, opened: "_Opened") -> Model:
        session = opened.session
        engine = self._engine(entry, session, opened.settings)
        engine.start()
        threads = Workers(self.step_threads or 0 if opened.has_steps else 0)
        threads.start()

        def abort() -> None:
            engine.abort()  # first: its callers hear of the end, not of a run that was terminated
            session.terminate()
            threads.stop()

        def close(limit: float) -> None:
            session.terminate()
            engine.stop(limit)
            threads.stop()
            self.room.give_back(opened.size)

        name = f"{entry.name!r} version {entry.version!r}"
        stage = self._limited(name, engine)
        stage = opened.around(name, stage, threads)
        keys, stage = self._reusing(entry, opened, stage, engine.reorder)
        return Model(
            entry.name,
            entry.version,
            session.signature,
            stage,
            lambda: engine.state(self.stalled_seconds, self.stuck_seconds),
            lambda: engine.queue_depth,
            abort,
            close,
            keys,
            opened.settings.queue,
            opened.settings.routes,
        )

    def _limited(self, name: str, engine: Engine) -> Stage:
        if not self.adaptive_limit:
            return engine.compute
        return LimitedStage(name, engine.compute, AdaptiveLimit())

    def _reusing(
        self, entry: Entry, opened: "_Opened", stage: Stage, lifted: Callable[[], None]
    ) -> tuple[Keys | None, Stage]:
        """Put the cache and the coalescing of a model around what computes, where it has any."""
        if self.reusing is None:
            return None, stage
        settings = opened.settings
        keys = self.reusing.keys(entry.name, entry.version, opened.generation, settings)
        if keys is None:
            return None, stage
        return keys, self.reusing.around(keys, settings, stage, lifted)

    def _engine(self, entry: Entry, session: Session, settings: ModelFile) -> Engine:
        name = f"{entry.name!r} version {entry.version!r}"
        merger = Merger(name, session.run, settings.batching)
        queue = BatchQueue(Forming(settings.batching or _NOT_BATCHED, settings.queue))
        execute: Execute = merger
        if self.defects is not None:
            execute = self.defects.wrap_engine(entry.name, entry.version, merger)
            self.defects.wrap_queue(queue)

        def settled() -> None:
            while merger.executed:
                rows = merger.executed.popleft()
                if self.executed is not None:
                    self.executed(entry.name, entry.version, rows)

        loop = asyncio.get_running_loop()
        return Engine(
            name, execute, queue, loop, self.instances, settled=settled, begin=session.begin
        )


async def _warm_up(model: Model) -> None:
    """Compute once, as for a caller: the first run of a session takes longer than all others.

    A model that raises has run all the same: it, or a step of it, does not like these values.
    """
    try:
        await model.compute(_sample(model.signature, 0))
    except (ComputeFailed, InvalidRequest):
        try:
            await model.compute(_sample(model.signature, 1))
        except (ComputeFailed, InvalidRequest):
            _LOG.warning("model %s version %s: the warm-up failed", model.name, model.version)


def _sample(signature: Signature, value: int) -> Work:
    tensors = {tensor.name: _filled(tensor, value) for tensor in signature.inputs.values()}
    return Work(tensors, tuple(signature.outputs))


def _filled(tensor: TensorMetadata, value: int) -> np.ndarray:
    """Make the smallest array that fits."""
    shape = [1 if size < 0 else size for size in tensor.shape]
    filling = str(value).encode() if tensor.datatype == "BYTES" else value
    return np.full(shape, filling, DATATYPES[tensor.datatype].dtype)
