"""What can go wrong between a request and its answer, without codes: those are in `status`.

    ServingError
    ├── InvalidRequest      the caller asked for something that this model cannot take
    ├── ModelNotFound       no such model, or no such version of it
    ├── ModelNotReady       it exists, but is loading or failed to load
    ├── ComputeFailed       the model raised while it ran
    └── ShuttingDown        the server takes no new work, or could not finish this

    StartupError            the server cannot run as asked: for the operator, never for a caller
    LoadError               a model cannot be served: likewise

Every text is one sentence for the caller: it names the model, tensor, shape or datatype, and holds
nothing of the machine (no paths, no text of the runtime).
"""

__all__ = [
    "ComputeFailed",
    "InvalidRequest",
    "LoadError",
    "ModelNotFound",
    "ModelNotReady",
    "ServingError",
    "ShuttingDown",
    "StartupError",
]


class ServingError(Exception):
    """The root of every error that a caller may see."""


class InvalidRequest(ServingError):
    """The request does not fit the model's signature."""


class ModelNotFound(ServingError):
    """No model of this name, or no such version of it."""


class ModelNotReady(ServingError):
    """The model is known, but cannot be asked: it is loading or failed to load."""


class ComputeFailed(ServingError):
    """The model raised while it ran."""


class ShuttingDown(ServingError):
    """The server leaves: the request came too late, or could not be finished in time."""


class StartupError(Exception):
    """The server cannot run as asked; the text is one line for the operator."""


class LoadError(Exception):
    """A model that cannot be served; the text says why and is for the operator's log only."""
