"""Misbehaviours of startup, readiness and liveness, the same on every plane."""

from time import monotonic

from ..lifecycle import Phase
from ..probes import Probes
from ..repository import State
from .registry import probe_defect

_SLOW = "slow_load"
_LATE_SECONDS = 12.0
_MANY = 10
_BORN = monotonic()


@probe_defect(
    "ready-before-a-slow-model",
    breaks=[
        "OIP-REST-HLTH-002",
        "OIP-GRPC-SVC-003",
        "HLTH-GRPC-006/loading",
        "K8S-PROBE-002/serving",
        "K8S-PROBE-009",
    ],
)
class ReadyBeforeASlowModel(Probes):
    """Does not wait for a model that takes its time."""

    def ready(self) -> bool:
        """Passes over what loads."""
        slow = [state for (model, _), state in self.health().items() if model == _SLOW]
        return super().ready() or (State.LOADING in slow and not self.lifecycle.leaving)


@probe_defect("model-ready-before-loaded", breaks=["OIP-REST-HLTH-010", "OIP-GRPC-SVC-004"])
class ModelReadyBeforeLoaded(Probes):
    """Says of a model that loads that it can be asked."""

    def can_be_asked(self, state: State) -> bool:
        """Takes loading for ready; the server as a whole is not in that phase."""
        return super().can_be_asked(state) or state is State.LOADING


@probe_defect("all-of-nothing-is-ready", breaks=["OIP-REST-HLTH-011", "K8S-PROBE-001/failure"])
class AllOfNothingIsReady(Probes):
    """Counts the models that were loaded only."""

    def ready(self) -> bool:
        """Is not put off by a model that failed."""
        loaded = [state for state in self.health().values() if state is not State.FAILED]
        ready = all(map(self.can_be_asked, loaded))
        return self.lifecycle.phase is Phase.READY and ready


@probe_defect("startup-over-at-once", breaks=["K8S-PROBE-002/serving"])
class StartupOverAtOnce(Probes):
    """Is started as soon as it listens."""

    def startup(self) -> bool:
        """Forgets the models."""
        return True


@probe_defect("starts-late", breaks=["K8S-PROBE-002/budget"])
class StartsLate(Probes):
    """With many models, is ready long after it could be."""

    def ready(self) -> bool:
        """Lets the time pass."""
        late = len(self.health()) > _MANY and monotonic() - _BORN < _LATE_SECONDS
        return super().ready() and not late


@probe_defect("ready-without-an-engine", breaks=["OIP-REST-HLTH-013", "K8S-PROBE-005"])
class ReadyWithoutAnEngine(Probes):
    """Does not notice when an engine is lost."""

    def can_be_asked(self, state: State) -> bool:
        """Looks at the file only."""
        lost = state in (State.DOWN, State.STALLED, State.STUCK)
        return super().can_be_asked(State.READY if lost else state)


@probe_defect("never-ready-again", breaks=["K8S-PROBE-005"])
class NeverReadyAgain(Probes):
    """Is ready once in its life."""

    was_ready = False
    lost = False

    def ready(self) -> bool:
        """Remembers the first loss."""
        ready = super().ready()
        self.lost = self.lost or (self.was_ready and not ready)
        self.was_ready = ready
        return ready and not self.lost


@probe_defect("not-live-while-loading", breaks=["OIP-REST-HLTH-012/loading"])
class NotLiveWhileLoading(Probes):
    """Takes a long load for a death."""

    def live(self) -> bool:
        """Waits for the models."""
        return super().live() and State.LOADING not in self.health().values()


@probe_defect("not-live-without-every-model", breaks=["K8S-PROBE-003/failed load"])
class NotLiveWithoutEveryModel(Probes):
    """Hopes that a restart mends a file."""

    def live(self) -> bool:
        """Dies of a model that failed to load."""
        return super().live() and State.FAILED not in self.health().values()


@probe_defect("always-live", breaks=["K8S-PROBE-004"])
class AlwaysLive(Probes):
    """Is live as long as somebody answers."""

    def live(self) -> bool:
        """Looks at nothing."""
        return True
