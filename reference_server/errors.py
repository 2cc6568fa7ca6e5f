"""What can go wrong between a request and its answer, without codes: those are in `status`.

    ServingError
    ├── InvalidRequest      the caller asked for something that this model cannot take
    ├── ModelNotFound       no such model, or no such version of it
    │   └── ModelNotLoaded  it is there, and nobody wants it to be served
    ├── ModelNotReady       it exists, but is loading or failed to load
    ├── ComputeFailed       the model raised while it ran
    ├── ShuttingDown        the server takes no new work, or could not finish this
    ├── DeadlineExceeded    the caller's time is over
    ├── Interrupted         the run was ended before its time: nobody waits, or the server leaves
    ├── Unauthorized        only the operator may ask this
    ├── LoadRefused         a version is not taken into service, and why
    ├── StateNotKept        what was asked could not be written down, and is not done
    └── Shed                the server has no room for this now; it may be asked again
        ├── Overloaded      too much waits for this model
        │   └── LimitReached    as much is there as its times allow
        ├── QueueTimeout    it waited for as long as the model's works may
        └── MemoryExceeded  it wants more memory than there is

    StartupError            the server cannot run as asked: for the operator, never for a caller
    LoadError               a model cannot be served: likewise

Every text is one sentence for the caller: it names the model, tensor, shape or datatype, and holds
nothing of the machine (no paths, no text of the runtime).
"""

from typing import ClassVar

__all__ = [
    "ComputeFailed",
    "DeadlineExceeded",
    "Interrupted",
    "InvalidRequest",
    "LimitReached",
    "LoadError",
    "LoadRefused",
    "MemoryExceeded",
    "ModelNotFound",
    "ModelNotLoaded",
    "ModelNotReady",
    "Overloaded",
    "QueueTimeout",
    "ServingError",
    "Shed",
    "ShuttingDown",
    "StartupError",
    "StateNotKept",
    "Unauthorized",
]


class ServingError(Exception):
    """The root of every error that a caller may see."""


class InvalidRequest(ServingError):
    """The request does not fit the model's signature."""


class ModelNotFound(ServingError):
    """No model of this name, or no such version of it."""


class ModelNotLoaded(ModelNotFound):
    """The model is known, and nobody wants it to be served."""


class ModelNotReady(ServingError):
    """The model is known, but cannot be asked: it is loading or failed to load."""


class ComputeFailed(ServingError):
    """The model raised while it ran."""


class ShuttingDown(ServingError):
    """The server leaves: the request came too late, or could not be finished in time."""


class DeadlineExceeded(ServingError):
    """The time is over that the caller gave; the answer would be of no use any more."""


class Interrupted(ServingError):
    """The run was ended before its time: all of its callers have left, or the server leaves."""


class Unauthorized(ServingError):
    """Only the operator may ask this."""


class LoadRefused(ServingError):
    """A version is not taken into service; whatever served before still does."""


class StateNotKept(ServingError):
    """What was asked could not be written down, so it is not done."""


class Shed(ServingError):
    """The server has no room for this now, but may have soon.

    Attributes:
        reason: what there was too little of, for the metrics.
    """

    reason: ClassVar[str]


class Overloaded(Shed):
    """As much as may waits for this model already."""

    reason = "queue_full"


class LimitReached(Overloaded):
    """As much is there of this model as the times of its works allow."""

    reason = "adaptive_limit"


class QueueTimeout(Shed):
    """It waited for as long as work of this model may."""

    reason = "queue_timeout"


class MemoryExceeded(Shed):
    """It wants more memory than the server may take."""

    reason = "memory"


class StartupError(Exception):
    """The server cannot run as asked; the text is one line for the operator."""


class LoadError(Exception):
    """A model that cannot be served; the text says why and is for the operator's log only."""
