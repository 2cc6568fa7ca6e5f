"""Where the server is, seen from here."""

from servespec.target.outcomes import Nonconformance
from servespec.target.target import Target

__all__ = ["is_on_this_machine"]

SECONDS = 5.0


def is_on_this_machine(target: Target) -> bool:
    """Whether both ends of a connection have the same address: it is one of this machine's own."""
    try:
        with target.rest.dial(SECONDS) as opened:
            here, there = opened.getsockname()[0], opened.getpeername()[0]
    except OSError as error:
        raise Nonconformance(f"no connection to {target.rest.origin}: {error}") from None
    return bool(here == there)
