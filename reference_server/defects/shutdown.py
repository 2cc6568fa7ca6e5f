"""Misbehaviours of the end: each breaks one step of it, or one thing that is said in it."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence

from google.protobuf.message import Message
from grpc import StatusCode

from ..errors import ComputeFailed
from ..http import Handler, HttpProtocol, HttpRequest, HttpResponse, error_response
from ..lifecycle import Leaving, Lifecycle
from ..pipeline import Outcome
from ..probes import Probes
from ..signature import Work
from .registry import (
    Behaviour,
    Context,
    Defect,
    Running,
    add_defect,
    http_defect,
    lifecycle_defect,
    probe_defect,
    rest_defect,
)

_ORPHAN_SECONDS = 30
_LATE_SECONDS = 0.2
_QUEUED = 8
"""Pieces of work that a batch holds only when they have waited together."""


@lifecycle_defect("exits-with-an-error", breaks=["K8S-TERM-001/exit", "K8S-TERM-011"])
class ExitsWithAnError(Lifecycle):
    """Takes the signal for a failure."""

    exit_code = 1


@lifecycle_defect(
    "outstays-the-grace",
    breaks=[
        "K8S-TERM-001",
        "K8S-TERM-006/idle",
        "K8S-TERM-009",
        "K8S-TERM-011",
    ],
)
class OutstaysTheGrace(Lifecycle):
    """Takes its time when all is done."""

    async def finish(self, doors: Leaving) -> None:
        """Waits for nothing."""
        await asyncio.sleep(self.grace_seconds + 1)
        await super().finish(doors)


@lifecycle_defect("leaves-an-orphan", breaks=["K8S-TERM-001/processes"])
class LeavesAnOrphan(Lifecycle):
    """Has a helper that nobody tells of the end."""

    async def finish(self, doors: Leaving) -> None:
        """Starts it here, where a sound server would end it."""
        code = f"import time; time.sleep({_ORPHAN_SECONDS})"
        await asyncio.create_subprocess_exec(sys.executable, "-c", code, start_new_session=True)
        await super().finish(doors)


@lifecycle_defect("shutdown-at-once", breaks=["K8S-TERM-003"])
class ShutdownAtOnce(Lifecycle):
    """Refuses new work from the signal on."""

    async def delay(self, doors: Leaving) -> None:
        """Forgets that others learn late of its end."""


@probe_defect("ready-while-leaving", breaks=["K8S-TERM-004", "HLTH-GRPC-006/shutdown"])
class ReadyWhileLeaving(Probes):
    """Goes on to be sent work."""

    def ready(self) -> bool:
        """Does not look at its own end."""
        return self.lifecycle.leaving or super().ready()


@probe_defect("dead-while-leaving", breaks=["K8S-TERM-004"])
class DeadWhileLeaving(Probes):
    """Asks to be killed at its work."""

    def live(self) -> bool:
        """Takes leaving for dying."""
        return super().live() and not self.lifecycle.leaving


@rest_defect("late-request-knows-no-model", breaks=["K8S-TERM-005/rest"])
async def _(request: HttpRequest, answer: Handler) -> HttpResponse:
    """Unloads its models before it stops to take requests."""
    if request.late and request.target.endswith("/infer"):
        return error_response(404, "unknown model")
    return await answer(request)


class _Told(Lifecycle):
    """Lets others know of the signal, and of the end of the delay."""

    told = late = False

    def signalled(self, number: int) -> None:
        """It came."""
        _Told.told = True
        super().signalled(number)

    async def drain(self, doors: Leaving) -> None:
        """New work is late from now on."""
        _Told.late = True
        await super().drain(doors)


def _given_up(works: Sequence[Work], run: Running) -> Sequence[Outcome]:
    """Fails what the signal meets in the engine."""
    in_time = not _Told.told
    outcomes = run(works)
    return _failed(works) if in_time and _Told.told else outcomes


def _dropped(works: Sequence[Work], run: Running) -> Sequence[Outcome]:
    """Fails what the signal meets in the queue, as far as it can be told here."""
    waited = run.model == "witness" or len(works) >= _QUEUED
    if run.model == "witness":
        time.sleep(_LATE_SECONDS)  # as if the signal had come that much earlier
    return _failed(works) if waited and _Told.told else run(works)


def _failed(works: Sequence[Work]) -> Sequence[Outcome]:
    return [ComputeFailed("the server is shutting down") for _ in works]


class _TakesLateCalls(_Told):
    async def drain(self, doors: Leaving) -> None:
        """Refuses nothing before all is done."""
        _Told.late = True
        await self._while_patient(doors.settled())
        await super().drain(doors)


async def _unknown(method: str, request: Message, context: Context, answer: Behaviour) -> Message:
    if method == "ModelInfer" and _Told.late:
        return await context.abort(StatusCode.NOT_FOUND, "unknown model")
    return await answer(request, context)


for _defect in (
    Defect(
        "work-in-flight-given-up",
        (
            *("K8S-TERM-002", "K8S-TERM-006/close", "K8S-TERM-007"),
            *("K8S-TERM-008/queued", "K8S-TERM-011", "K8S-TERM-014"),
        ),
        lifecycle=_Told,
        engine=_given_up,
    ),
    Defect("drops-what-waits", ("K8S-TERM-008",), lifecycle=_Told, engine=_dropped),
    Defect(
        "late-call-knows-no-model",
        ("K8S-TERM-005/grpc",),
        lifecycle=_TakesLateCalls,
        grpc=_unknown,
    ),
):
    add_defect(_defect)


@lifecycle_defect("no-goaway", breaks=["K8S-TERM-007"])
class NoGoaway(Lifecycle):
    """Leaves gRPC clients to find out."""

    async def drain(self, doors: Leaving) -> None:
        """Refuses nothing while all goes well, so that nothing is said; the kernel closes."""
        await self._while_patient(doors.settled())
        if self.patience():
            os._exit(0)
        await super().drain(doors)


@http_defect("idle-connections-hold-the-exit", breaks=["K8S-TERM-006/idle"])
class IdleConnectionsHoldTheExit(HttpProtocol):
    """Waits for clients to hang up."""

    @property
    def active(self) -> bool:
        """Takes a connection that is open for one that is used."""
        return True


@http_defect("never-says-close", breaks=["K8S-TERM-006/close"])
class NeverSaysClose(HttpProtocol):
    """Closes the connection behind an answer that does not say so."""

    def encode_head(self, request: HttpRequest, response: HttpResponse, last: bool) -> bytes:
        """Leaves the word out where the answer is a good one."""
        head = super().encode_head(request, response, last)
        return head.replace(b"Connection: close\r\n", b"") if response.status == 200 else head


@lifecycle_defect("silent-end", breaks=["K8S-TERM-009"])
class SilentEnd(Lifecycle):
    """Leaves without a word to those who still wait."""

    async def drain(self, doors: Leaving) -> None:
        """Is gone when its patience is."""
        await doors.refuse()
        await self._while_patient(doors.settled())
        if not self.patience():
            os._exit(0)
        await super().drain(doors)


@lifecycle_defect("second-signal-is-a-kick", breaks=["K8S-TERM-011/again"])
class SecondSignalIsAKick(Lifecycle):
    """Takes a repeated SIGTERM for impatience."""

    def hurries(self, _number: int) -> bool:
        """Any further signal ends at once what is left."""
        return True


@lifecycle_defect("interrupt-is-a-kick", breaks=["K8S-TERM-011/interrupt"])
class InterruptIsAKick(Lifecycle):
    """Takes SIGINT for impatience."""

    def signalled(self, number: int) -> None:
        """The first one counts as two."""
        super().signalled(number)
        if number == signal.SIGINT:
            super().signalled(number)
