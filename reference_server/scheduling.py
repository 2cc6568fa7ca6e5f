"""What a request says of its own urgency: when it has to be done, and before what."""

import re
from dataclasses import replace
from time import monotonic

from servespec.wire.messages import Parameters

from .errors import InvalidRequest
from .model_file import Queueing
from .signature import Work

__all__ = ["deadline_in", "scheduled"]

_LONGEST = 10**12
"""Microseconds, some days: nobody waits longer."""


def deadline_in(seconds: str) -> float:
    """Return when so many seconds are over, on the monotonic clock.

    Raises:
        InvalidRequest: it is no positive decimal number.
    """
    number = float(seconds) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", seconds) else 0.0
    if not number:
        raise InvalidRequest(f"Request-Timeout: expected seconds above 0, not {seconds[:40]!r}")
    return monotonic() + number


def scheduled(
    work: Work, parameters: Parameters, queueing: Queueing, deadline: float | None
) -> Work:
    """Return the work with its deadline and priority.

    Args:
        work: of the request.
        parameters: of the request; `timeout` and `priority` are read.
        queueing: how the works of the model wait.
        deadline: that the request has anyway.

    Raises:
        InvalidRequest: the model knows no such priority, or it is no timeout.
    """
    if "timeout" in parameters:
        deadline = _earlier(deadline, parameters["timeout"])
    if queueing.priority_levels > 1:
        return replace(work, deadline=deadline, priority=_priority(parameters, queueing))
    return work if deadline is None else replace(work, deadline=deadline)


def _earlier(deadline: float | None, timeout: object) -> float | None:
    if not isinstance(timeout, int) or isinstance(timeout, bool) or timeout < 0:
        raise InvalidRequest(
            f"parameter 'timeout': expected a whole number of microseconds, not {timeout!r}"
        )
    if not timeout:
        return deadline
    end = monotonic() + min(timeout, _LONGEST) / 1e6
    return end if deadline is None else min(deadline, end)


def _priority(parameters: Parameters, queueing: Queueing) -> int:
    asked = parameters.get("priority", 0)
    levels = queueing.priority_levels
    if not isinstance(asked, int) or isinstance(asked, bool) or not 0 <= asked <= levels:
        raise InvalidRequest(
            f"parameter 'priority': expected a whole number up to {levels}, not {asked!r}"
        )
    return asked or queueing.usual_priority
