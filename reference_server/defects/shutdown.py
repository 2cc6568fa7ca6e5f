"""Misbehaviours of the end: each overrides one step of the server's life."""

from ..lifecycle import Leaving, Lifecycle
from .registry import lifecycle_defect


@lifecycle_defect("shutdown-at-once", breaks=[])
class ShutdownAtOnce(Lifecycle):
    """Refuses new work from the signal on."""

    async def delay(self, doors: Leaving) -> None:
        """Forgets that others learn late of its end."""


@lifecycle_defect("work-in-flight-given-up", breaks=[])
class WorkInFlightGivenUp(Lifecycle):
    """Answers with an error what it could finish."""

    def patience(self) -> float:
        """Has none."""
        return 0.0
