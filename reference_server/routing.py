"""Which version serves: the one that a request names, or one by weight, by key, or the latest."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from math import inf, log
from secrets import token_bytes

from .errors import ModelNotFound, ModelNotReady
from .repository import Model, Repository, State
from .routes import Routes, Sticky

__all__ = ["MODEL_VERSION", "Asked", "Choice", "Router", "pick"]

MODEL_VERSION = "Model-Version"
"""The header that names a version: in a request the one that is wanted, in an answer its own."""
_WANTED = MODEL_VERSION.lower()
_KEY_BYTES = 16


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says of where it wants to go.

    Attributes:
        model: its name.
        version: its label; empty where the path has none.
        header: returns what a header says, by its name in lower case.
    """

    model: str
    version: str
    header: Callable[[str], str | None]

    @property
    def pinned(self) -> str:
        """The version that it insists on, the path before the header; empty: none."""
        return self.version or self.header(_WANTED) or ""


@dataclass(frozen=True, slots=True)
class Choice:
    """The version that serves, and the routes that it was chosen by."""

    model: Model
    routes: Routes


class Router:
    """Chooses; what is set for a model counts for more than what its `model.toml` says.

    The small methods each hold one rule, so that a subclass can break one. `routes` may be replaced
    from any thread: a request goes by the old ones or by the new ones.

    Args:
        repository: where the versions are.
        routes: by model, as they were set.
    """

    def __init__(self, repository: Repository, routes: Mapping[str, Routes]) -> None:
        self.repository = repository
        self.routes = routes

    def routes_of(self, name: str) -> Routes:
        """Return how a model's requests are spread.

        Raises:
            ModelNotFound: no such model.
        """
        if name in self.routes:
            return self.routes[name]
        latest = self.repository.entry(name).model
        return Routes() if latest is None else latest.routes

    def choose(self, asked: Asked) -> Choice:
        """Return the version that serves, as far as that is known before the request is read.

        Raises:
            ModelNotFound: no such model, or no such version of it.
            ModelNotReady: the version is, or all that have a weight are, loading or failed to load.
        """
        routes = Routes() if asked.pinned else self.routes_of(asked.model)
        return Choice(self._chosen(asked, routes, {}), routes)

    def by_parameters(
        self, asked: Asked, choice: Choice, parameters: Mapping[str, object]
    ) -> Model:
        """Return the version that serves, now that the parameters are known."""
        sticky = choice.routes.sticky
        if sticky is None or sticky.parameter not in parameters:
            return choice.model
        try:
            return self._chosen(asked, choice.routes, parameters)
        except (ModelNotFound, ModelNotReady):  # since a moment ago: that one is still in use
            return choice.model

    def _chosen(self, asked: Asked, routes: Routes, parameters: Mapping[str, object]) -> Model:
        version = self.drawn(asked, routes, parameters) if routes.weights else asked.pinned
        return self.repository.ready(asked.model, version)

    def drawn(self, asked: Asked, routes: Routes, parameters: Mapping[str, object]) -> str:
        """Draw a version among those that can be asked, by their weights."""
        ready = {
            version: weight
            for version, weight in routes.weights.items()
            if weight > 0 and self._can_serve(asked.model, version)
        }
        if not ready:
            raise ModelNotReady(f"no version of model {asked.model!r} that has a weight is ready")
        key = self.key(asked, routes.sticky, parameters)
        drawn = token_bytes(_KEY_BYTES) if key is None else key.encode(errors="surrogatepass")
        return pick(asked.model, drawn, ready)

    def key(
        self, asked: Asked, sticky: Sticky | None, parameters: Mapping[str, object]
    ) -> str | None:
        """Return what keeps a request on its version; None: nothing does, an empty key neither."""
        if sticky is None:
            return None
        if sticky.header is not None:
            return asked.header(sticky.header.lower()) or None
        return str(parameters.get(sticky.parameter or "", "")) or None

    def _can_serve(self, name: str, version: str) -> bool:
        try:
            return self.repository.entry(name, version).state is State.READY
        except ModelNotFound:
            return False


def pick(model: str, key: bytes, weights: Mapping[str, float]) -> str:
    """Return a version for a key, each with its share of all keys; all weights are above 0.

    Weighted rendezvous hashing: each version draws a number for the key, exponentially distributed
    with its weight as the rate, and the smallest wins. A version whose weight grows takes keys from
    all others and moves none between them; one that goes leaves its keys to the others. Of two
    versions as few keys move as can. The model is hashed too, so that two experiments are
    independent.

    Source: Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998; with
    weights by the logarithmic method of Schindelhauer and Schomaker, "Weighted distributed hash
    tables", 2005.
    """
    if len(weights) == 1:
        return next(iter(weights))
    return min(weights, key=lambda version: _drawn(model, version, key) / weights[version])


def _drawn(model: str, version: str, key: bytes) -> float:
    """Return the number of a version for a key, exponentially distributed with rate 1."""
    salt = repr((model, version)).encode()
    digest = blake2b(salt + key, digest_size=8).digest()
    uniform = (int.from_bytes(digest, "big") + 0.5) / 2**64
    return -log(uniform) if uniform < 1 else inf
