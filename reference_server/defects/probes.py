"""Misbehaviours of probes, on every plane: each overrides one answer."""

from ..lifecycle import Phase
from ..probes import Probes
from .registry import probe_defect


@probe_defect("ready-before-loaded", breaks=["K8S-PROBE-002"])
class ReadyBeforeLoaded(Probes):
    """Takes being up for being ready."""

    def ready(self) -> bool:
        """Is true while models load."""
        return self.lifecycle.phase is Phase.STARTING or super().ready()
