"""Who computes once for several callers: a model's cache and its coalescing, put together."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b, file_digest
from pathlib import Path
from secrets import token_bytes
from typing import Protocol, TypeAlias, TypeVar

from .cache import CacheStage, KeepingStage, MemoryStore, Store
from .coalescing import CoalescingStage
from .codec import Codec
from .errors import LoadError
from .keys import Keys
from .metrics import Reuses
from .model_file import ModelFile
from .pipeline import Stage

__all__ = ["Part", "ReuseDefects", "Reusing"]

_GENERATION_BYTES = 16

Part: TypeAlias = Keys | MemoryStore | CacheStage | KeepingStage | CoalescingStage
"""What takes part in using an answer again."""

AnyPart = TypeVar("AnyPart", Keys, CacheStage, KeepingStage, CoalescingStage)


class ReuseDefects(Protocol):
    """Deliberate misbehaviour of caches and of coalescing."""

    def wrap_part(self, part: Part) -> None:
        """Have a part behave as what is active has it."""


@dataclass(frozen=True, slots=True)
class Reusing:
    """What models share that cache or coalesce.

    Attributes:
        store: keeps answers; None where none are kept.
        codec: deals with what is large.
        reuses: where a version of a model counts.
        defects: of its parts; None where there can be none.
    """

    store: Store | None
    codec: Codec
    reuses: Callable[[str, str], Reuses]
    defects: ReuseDefects | None = None

    def generation(self, folder: Path, settings: ModelFile) -> bytes:
        """Return what tells this load of a version from any other; reads its files.

        Where answers outlive the process it is the same for the same files.

        Raises:
            LoadError: a file cannot be read.
        """
        if settings.cache is None or self.store is None or not self.store.shared:
            return token_bytes(_GENERATION_BYTES)
        try:
            return _digest(folder)
        except OSError as error:
            raise LoadError(f"cache: expected files that can be read: {error}") from error

    def keys(self, name: str, version: str, generation: bytes, settings: ModelFile) -> Keys | None:
        """Return what names the computations of one loaded model; None where nothing needs it."""
        if not settings.coalesces and (settings.cache is None or self.store is None):
            return None
        return self._made(Keys(name, version, generation, self.codec))

    def around(
        self, keys: Keys, settings: ModelFile, stage: Stage, lifted: Callable[[], None]
    ) -> Stage:
        """Put the model's cache and its coalescing around what computes, as far as it has them.

        What is asked for by somebody more urgent is `lifted`.
        """
        reuses = self.reuses(keys.model, keys.version)
        store = self.store if settings.cache is not None else None
        if store is not None and settings.cache is not None:
            stage = self._made(KeepingStage(stage, store, settings.cache.ttl_seconds))
        if settings.coalesces:
            reuses.coalesces()
            stage = self._made(CoalescingStage(stage, reuses.joined, lifted))
        if store is not None:
            reuses.caches()
            stage = self._made(CacheStage(stage, store, reuses.used))
        return stage

    def _made(self, part: AnyPart) -> AnyPart:
        if self.defects is not None:
            self.defects.wrap_part(part)
        return part


def _digest(folder: Path) -> bytes:
    """Digest the files of a version, and those that its model has for all versions."""
    digest = blake2b(digest_size=_GENERATION_BYTES)
    files = [*folder.parent.iterdir(), *folder.rglob("*")]
    for path in sorted(path for path in files if path.is_file()):
        status = path.stat()
        name = path.relative_to(folder.parent).as_posix()
        digest.update(repr((name, status.st_size, status.st_mtime_ns)).encode())
        with path.open("rb") as file:
            digest.update(file_digest(file, blake2b).digest())
    return digest.digest()
