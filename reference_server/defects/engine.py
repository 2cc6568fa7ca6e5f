"""Harm for experiments: engines that die, hang or sleep. No requirement speaks of them."""

from collections.abc import Sequence
from threading import Event
from weakref import WeakSet

from ..pipeline import Outcome
from ..signature import Work
from .registry import Running, engine_defect

__all__: list[str] = []

_MODEL = "witness"
_SHADOW = ("shadowed", "2")
_SLEEP_SECONDS = 1.0
_dead: WeakSet[Event] = WeakSet()


@engine_defect("engine-dies", breaks=[])
def engine_dies(works: Sequence[Work], run: Running) -> Sequence[Outcome]:
    """Kills the thread of the model's next batch, once each time that it is switched on."""
    if run.model != _MODEL or run.off in _dead:
        return run(works)
    _dead.add(run.off)
    raise RuntimeError("the defect engine-dies")


@engine_defect("engine-hangs", breaks=[])
def engine_hangs(works: Sequence[Work], run: Running) -> Sequence[Outcome]:
    """Blocks each thread that has a batch of the model, until it is switched off."""
    if run.model == _MODEL:
        run.off.wait()
    return run(works)


@engine_defect("shadow-sleeps", breaks=[])
def shadow_sleeps(works: Sequence[Work], run: Running) -> Sequence[Outcome]:
    """Has each batch of the shadow wait for a second, in which nothing is computed."""
    if (run.model, run.version) == _SHADOW:
        run.off.wait(_SLEEP_SECONDS)
    return run(works)


@engine_defect("shadow-dies", breaks=[])
def shadow_dies(works: Sequence[Work], run: Running) -> Sequence[Outcome]:
    """Kills the thread of each batch of the shadow."""
    if (run.model, run.version) == _SHADOW:
        raise RuntimeError("the defect shadow-dies")
    return run(works)
