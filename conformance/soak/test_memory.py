"""What is left in a server's memory of traffic that is over."""

import os
import time

from servespec.target.instance import Instance
from servespec.target.procfs import resident_bytes
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from .traffic import FIXTURES, exchange_for

DURATION = float(os.environ.get("SERVESPEC_SOAK_SECONDS", "600"))
"""Seconds of traffic."""
WARM_UP = 60.0
"""Seconds of the same traffic before, at most: caches and arenas of allocators fill."""
GROWTH = 0.05
"""Binding: what memory may have grown by when the traffic is over."""
REST = 10.0
"""Seconds in which it has to be back."""


@requirement("LOAD-004", kind="saturating")
def test_memory_is_back_where_it_was_after_traffic(target: Target) -> None:
    """An operator does not restart a server every week because it has grown."""
    with target.fresh(*FIXTURES) as instance:
        exchange_for(instance.target, min(WARM_UP, DURATION))
        start = _at_rest(instance, 0)
        asked = exchange_for(instance.target, DURATION)
        end = _at_rest(instance, start * (1 + GROWTH))
        found = f"{start >> 20} MiB before and {end >> 20} MiB after {asked} requests"
        target.record("memory", found)
        assert instance.alive() is None, f"it died: {instance.alive()}"
        assert end <= start * (1 + GROWTH), f"the memory grew: {found}"


def _at_rest(instance: Instance, enough: float) -> int:
    """The least memory of all its processes, looked at for a while, or until it is `enough`."""
    least, deadline = _memory(instance), time.monotonic() + (REST if enough else 1.0)
    while least > enough and time.monotonic() < deadline:
        time.sleep(0.1)
        least = min(least, _memory(instance))
    return least


def _memory(instance: Instance) -> int:
    return sum(resident_bytes(process.pid) for process in instance.processes())
