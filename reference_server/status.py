"""Where errors meet their codes: the only such table, for both planes."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from grpc import StatusCode

from servespec.wire.messages import WireError

from .errors import ComputeFailed, InvalidRequest, ModelNotFound, ModelNotReady, ShuttingDown

__all__ = ["STATUSES", "Failure", "Status", "failure"]

_LONGEST = 500
"""Characters of an error text. gRPC carries it as a header field, which clients limit to 8 KiB."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Status:
    """The code of an error on each plane."""

    http: int
    grpc: StatusCode


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as its caller sees it."""

    status: Status
    text: str


STATUSES: Mapping[type[Exception], Status] = MappingProxyType(
    {
        WireError: Status(400, StatusCode.INVALID_ARGUMENT),
        InvalidRequest: Status(400, StatusCode.INVALID_ARGUMENT),
        ModelNotFound: Status(404, StatusCode.NOT_FOUND),
        ModelNotReady: Status(503, StatusCode.UNAVAILABLE),
        ComputeFailed: Status(500, StatusCode.INTERNAL),
        ShuttingDown: Status(503, StatusCode.UNAVAILABLE),
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
