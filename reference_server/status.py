"""Where errors meet their codes: the only such table, for both planes."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from grpc import StatusCode

from servespec.wire.messages import WireError

from .errors import (
    ComputeFailed,
    DeadlineExceeded,
    Interrupted,
    InvalidRequest,
    LoadRefused,
    MemoryExceeded,
    ModelNotFound,
    ModelNotReady,
    Overloaded,
    QueueTimeout,
    ShuttingDown,
    StateNotKept,
    Unauthorized,
)

__all__ = ["STATUSES", "Failure", "Status", "failure"]

_LONGEST = 500
"""Characters of an error text. gRPC carries it as a header field, which clients limit to 8 KiB."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Status:
    """The code of an error on each plane.

    Attributes:
        retry_after: seconds after which asking again may help; None where it says nothing.
        challenge: how to say who asks; None where nobody has to.
    """

    http: int
    grpc: StatusCode
    retry_after: int | None = None
    challenge: str | None = None

    def advice(self, name: str) -> tuple[tuple[str, str], ...]:
        """When to ask again, as a header of this name; none where there is nothing to say."""
        return () if self.retry_after is None else ((name, str(self.retry_after)),)


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as its caller sees it."""

    status: Status
    text: str

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What is said beside it over HTTP."""
        challenge = self.status.challenge
        asked = () if challenge is None else (("WWW-Authenticate", challenge),)
        return (*self.status.advice("Retry-After"), *asked)


STATUSES: Mapping[type[Exception], Status] = MappingProxyType(
    {
        WireError: Status(400, StatusCode.INVALID_ARGUMENT),
        InvalidRequest: Status(400, StatusCode.INVALID_ARGUMENT),
        ModelNotFound: Status(404, StatusCode.NOT_FOUND),
        Unauthorized: Status(401, StatusCode.UNAUTHENTICATED, challenge="Bearer"),
        LoadRefused: Status(409, StatusCode.FAILED_PRECONDITION),
        StateNotKept: Status(507, StatusCode.RESOURCE_EXHAUSTED),
        ModelNotReady: Status(503, StatusCode.UNAVAILABLE),
        ComputeFailed: Status(500, StatusCode.INTERNAL),
        ShuttingDown: Status(503, StatusCode.UNAVAILABLE),
        Interrupted: Status(503, StatusCode.UNAVAILABLE),
        DeadlineExceeded: Status(504, StatusCode.DEADLINE_EXCEEDED),
        Overloaded: Status(429, StatusCode.RESOURCE_EXHAUSTED, retry_after=1),
        QueueTimeout: Status(503, StatusCode.UNAVAILABLE, retry_after=1),
        MemoryExceeded: Status(503, StatusCode.RESOURCE_EXHAUSTED, retry_after=1),
    }
)

_UNEXPECTED = Failure(Status(500, StatusCode.INTERNAL), "internal error")


def failure(error: Exception) -> Failure:
    """Return what the caller is told. An error without a row is ours: logged, and told as such."""
    status = next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), None)
    if status is None:
        _LOG.error("unexpected error while answering", exc_info=error)
        return _UNEXPECTED
    return Failure(status, str(error)[:_LONGEST])
