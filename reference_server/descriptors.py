"""File descriptors: each connection takes one; many systems allow 1024 unless they are asked."""

import logging
import resource

__all__ = ["allow"]

_OTHERS = 2048
"""For gRPC, the models' files, and connections that are told that they are too many."""

_LOG = logging.getLogger(__name__)


def allow(connections: int) -> None:
    """Raise our own limit to what so many connections need; say so where it cannot be had."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHERS
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    had = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (had, hard))
    if had < wanted:
        _LOG.warning("%d connections need %d open files, %d can be had", connections, wanted, had)
