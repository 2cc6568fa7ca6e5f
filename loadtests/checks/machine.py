"""How much of this machine others took while it was loaded: a server that shares it is slower."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from servespec.target import procfs
from servespec.target.outcomes import Inconclusive, Invalid, Nonconformance
from servespec.target.target import Target

from .place import is_on_this_machine

__all__ = ["Company", "company"]

MOST = 0.1
"""The share of all processors that others may take, harness: beyond it a miss says nothing."""

SHORTEST = 1.0
"""Seconds of a processor below which hundredths of a second, in which it is counted, say little."""


@dataclass(slots=True)
class Company:
    """Who else was there.

    Attributes:
        share: of all processors that neither we nor the server took; 0 where that is not known.
    """

    share: float = 0.0

    @property
    def complaint(self) -> str:
        """Why what was missed says nothing; empty where it does."""
        return "" if self.share <= MOST else f"others took {self.share:.0%} of all processors"

    @contextmanager
    def judging(self) -> Iterator[None]:
        """Judge what was measured in such company, and not in turn with what it is held against.

        Raises:
            Invalid: it misses its bound, or cannot tell, and others were there.
        """
        try:
            yield
        except (Nonconformance, Inconclusive) as error:
            if self.complaint:
                raise Invalid(f"{self.complaint} meanwhile; {error}") from None
            raise


@contextmanager
def company(target: Target) -> Iterator[Company]:
    """Watch the processors for as long as the block runs, where the server is on this machine."""
    found = Company()
    servers = _servers(target.rest.port) if is_on_this_machine(target) else set()
    busy, ours = _busy_seconds(), _seconds_of({os.getpid(), *servers})
    began = os.times().elapsed
    yield found
    elapsed = (os.times().elapsed - began) * (os.cpu_count() or 1)
    busy, ours = _busy_seconds() - busy, _seconds_of({os.getpid(), *servers}) - ours
    if servers and elapsed > SHORTEST:
        found.share = max(0.0, busy - ours) / elapsed


def _servers(port: int) -> set[int]:
    """The processes that listen on a port, as far as they can be seen."""
    inodes = procfs.listeners(port)
    return {pid for pid in procfs.processes() if procfs.sockets(pid) & inodes}


def _busy_seconds() -> float:
    """Of all processors since boot; what a hypervisor takes away is busy as well."""
    numbers = map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9])
    user, nice, system, _idle, _wait, hard, soft, steal = numbers
    return (user + nice + system + hard + soft + steal) / os.sysconf("SC_CLK_TCK")


def _seconds_of(roots: set[int]) -> float:
    """Of these processes and all that they started, also of what has ended."""
    table = procfs.processes()
    return sum(map(procfs.cpu_seconds, procfs.descendants(roots, table)))
