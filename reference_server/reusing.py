"""Who computes once for several callers: a model's cache and its coalescing, put together."""

from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_bytes

from .cache import CacheStage, KeepingStage, Store
from .coalescing import CoalescingStage
from .codec import Codec
from .keys import Keys
from .metrics import Reuses
from .model_file import ModelFile
from .pipeline import Stage

__all__ = ["Reusing"]

_GENERATION_BYTES = 16


@dataclass(frozen=True, slots=True)
class Reusing:
    """What models share that cache or coalesce.

    Attributes:
        store: keeps answers; None where none are kept.
        codec: deals with what is large.
        reuses: where a version of a model counts.
    """

    store: Store | None
    codec: Codec
    reuses: Callable[[str, str], Reuses]

    def keys(self, name: str, version: str, settings: ModelFile) -> Keys | None:
        """Return what names the computations of one loaded model; None where nothing needs it."""
        if not settings.coalesces and (settings.cache is None or self.store is None):
            return None
        return Keys(name, version, token_bytes(_GENERATION_BYTES), self.codec)

    def around(self, keys: Keys, settings: ModelFile, stage: Stage) -> Stage:
        """Put the model's cache and its coalescing around what computes, as far as it has them."""
        reuses = self.reuses(keys.model, keys.version)
        store = self.store if settings.cache is not None else None
        if store is not None and settings.cache is not None:
            stage = KeepingStage(stage, store, settings.cache.ttl_seconds).compute
        if settings.coalesces:
            reuses.coalesces()
            stage = CoalescingStage(stage, reuses.joined).compute
        if store is not None:
            reuses.caches()
            stage = CacheStage(stage, store, reuses.used).compute
        return stage
