"""From a file on disk to a model that can be asked."""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread

from .engine import Engine
from .errors import StartupError
from .repository import Entry, Model, Repository, State
from .session import LoadError, Session, open_session

__all__ = ["Loader"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loader:
    """Loads models, one after the other, off the event loop.

    Attributes:
        providers: to ask for, the preferred one first.
        strict: refuse a model that did not get the preferred provider.
        intra_op_threads: of one inference.
        instances: of each model's engine.
    """

    providers: Sequence[str]
    strict: bool
    intra_op_threads: int
    instances: int

    async def load(self, repository: Repository) -> bool:
        """Load every model; return whether all of them can be asked.

        Raises:
            StartupError: a model did not get the provider that `strict` insists on.
        """
        for entry in repository.entries:
            try:
                session = await self._opened(entry)
            except LoadError as error:
                entry.state = State.FAILED
                _LOG.error(
                    "model %s version %s failed to load: %s", entry.name, entry.version, error
                )
                continue
            self._check_provider(entry, session)
            entry.model = self._model(entry, session)
            entry.state = State.READY
        return all(entry.state is State.READY for entry in repository.entries)

    async def _opened(self, entry: Entry) -> Session:
        """Open in a thread that does not hold up an exit: a large model takes minutes."""
        opened = Future[Session]()
        opened.set_running_or_notify_cancel()  # who awaits it may leave, the thread goes on

        def run() -> None:
            try:
                opened.set_result(open_session(entry.path, self.providers, self.intra_op_threads))
            except Exception as error:
                opened.set_exception(error)

        Thread(target=run, daemon=True).start()
        return await asyncio.wrap_future(opened)

    def _check_provider(self, entry: Entry, session: Session) -> None:
        got, wanted = session.providers[0], self.providers[0]
        if got == wanted:
            return
        found = f"model {entry.name} version {entry.version} runs on {got}, not on {wanted}"
        if self.strict:
            raise StartupError(f"--strict-providers: {found}")
        _LOG.warning("%s", found)

    def _model(self, entry: Entry, session: Session) -> Model:
        name = f"{entry.name!r} version {entry.version!r}"
        engine = Engine(name, session.run, asyncio.get_running_loop(), self.instances)
        engine.start()

        def close(limit: float) -> None:
            session.terminate()
            engine.stop(limit)

        return Model(entry.name, entry.version, session.signature, engine.compute, close)
