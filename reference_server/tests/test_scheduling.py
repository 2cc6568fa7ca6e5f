"""What a request says of its own urgency."""

from time import monotonic

import numpy as np
import pytest

from servespec.wire.messages import Parameters

from ..model_file import Queueing
from ..scheduling import scheduled
from ..signature import Work

WORK = Work({"x": np.zeros(1)}, ("y",))


@pytest.mark.parametrize(
    ("parameters", "queueing", "priority"),
    [
        ({"priority": 1}, Queueing(), 0),
        ({"priority": 1}, Queueing(priority_levels=3), 1),
        ({"priority": 0}, Queueing(priority_levels=3), 2),
        ({}, Queueing(priority_levels=2), 1),
        ({}, Queueing(priority_levels=4, default_priority=3), 3),
    ],
)
def test_a_priority_counts_where_the_model_has_some(
    parameters: Parameters, queueing: Queueing, priority: int
) -> None:
    assert scheduled(WORK, parameters, queueing, None).priority == priority


@pytest.mark.parametrize(
    ("deadline", "timeout", "earliest"),
    [(None, 10**6, 1.0), (0.5, 10**6, 0.5), (9.0, 10**6, 1.0), (None, 10**300, 1e6)],
)
def test_of_several_deadlines_the_earliest_counts(
    deadline: float | None, timeout: int, earliest: float
) -> None:
    now = monotonic()
    given = None if deadline is None else now + deadline
    found = scheduled(WORK, {"timeout": timeout}, Queueing(), given).deadline
    assert found == pytest.approx(now + earliest, abs=0.1)


def test_work_that_is_not_urgent_is_left_as_it_is() -> None:
    assert scheduled(WORK, {"timeout": 0, "other": 1}, Queueing(), None) is WORK
