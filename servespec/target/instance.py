"""Servers of a check's own: started anew, signalled, harmed, and gone when the check is over."""

import os
import select
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..fixtures import build
from .environment import InstallError
from .manifest import Manifest
from .outcomes import Nonconformance, Untestable
from .process import StartError, TargetProcess
from .procfs import Process
from .sections import Chaos, Ports
from .target import Target

__all__ = ["DEFECTS", "Exit", "Instance", "Instances"]

HARM_SECONDS = 30.0
DEFECTS = "SERVESPEC_DEFECTS"
"""The environment variable with the defects that our server has from its start on."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a server ended.

    Attributes:
        code: its exit code, or minus the number of the signal that killed it.
        seconds: from the first signal that it was sent, or from its start without one.
    """

    code: int
    seconds: float


class Instance:
    """A server of a check's own.

    Attributes:
        target: to ask it; what it is asked is evidence of the check.
    """

    def __init__(
        self, process: TargetProcess, target: Target, chaos: Chaos, ended: "Future[float]"
    ) -> None:
        self.target = target
        self._process = process
        self._chaos = chaos
        self._ended = ended
        self._signals: list[tuple[float, signal.Signals]] = []

    @property
    def started(self) -> float:
        """When its process was last started, on the monotonic clock."""
        return self._process.started

    def restart(self) -> None:
        """Kills all of it, starts it again at the same addresses; comes back at once."""
        self.target.close()
        self._process.respawn()
        self._ended = _end_of(self._process)
        self._signals.clear()

    def wait_ready(self) -> None:
        """Returns when it is ready, at most after the file's `ready_seconds`.

        Raises:
            Nonconformance: it died, or is not ready in time.
        """
        try:
            self._process.until_ready()
        except StartError as error:
            raise Nonconformance(str(error)) from None

    def signal(self, number: signal.Signals) -> None:
        """Signals its main process alone, as an orchestrator does."""
        self._signals.append((time.monotonic(), number))
        self._process.signal(number)

    def exit(self, within: float) -> Exit:
        """How its main process ended, which has to be `within` seconds after the first signal.

        Raises:
            Nonconformance: it ended later than that, or not yet.
        """
        since, cause = self.started, "its start"
        if self._signals:
            since, cause = self._signals[0][0], self._signals[0][1].name
        try:
            ended = self._ended.result(max(0.0, since + within - time.monotonic()))
        except TimeoutError:
            ended = float("inf")
        code = self._process.code
        if code is None or ended - since > within:
            raise Nonconformance(f"the server had not exited {within:g} s after {cause}")
        return Exit(code, ended - since)

    def alive(self) -> str | None:
        """None while its main process runs, otherwise the sentence of its death."""
        return self._process.alive()

    def processes(self) -> list[Process]:
        """Every running process that came of its start."""
        return self._process.processes()

    @property
    def log(self) -> Path:
        """The file that its standard output and error go to."""
        return self._process.log

    def harm(self, how: Literal["kill", "hang", "mend"]) -> None:
        """Kills its engine, hangs it, or undoes both: the target file says how.

        Raises:
            Untestable: the file does not say it, or what it says does not work.
        """
        command: tuple[str, ...] = getattr(self._chaos, how)
        if not command:
            raise Untestable(f"the target file has no command [chaos] {how}")
        try:
            self._process.execute(command, HARM_SECONDS)
        except InstallError as error:
            raise Untestable(f"[chaos] {how}: {error}") from None


class Instances:
    """Starts servers beside the judged one, from a target file with a start command.

    Attributes:
        defects: that they have from their start on; other servers than ours know none.
    """

    def __init__(self, manifest: Manifest, *, models: Path, logs: Path) -> None:
        self.defects: Sequence[str] = ()
        self._manifest = manifest
        self._models = models
        self._logs = logs
        self._built: dict[tuple[str, ...], Path] = {}
        self._count = 0

    @contextmanager
    def start(
        self,
        target: Target,
        fixtures: Sequence[str],
        *,
        harmed: bool,
        arguments: Sequence[str],
        assume: bool,
    ) -> Iterator[Instance]:
        """Starts one and comes back at once; on leaving nothing of it is left.

        Args:
            target: the judged server, whose check this is.
            fixtures: what it hosts; none named: all of them.
            harmed: with the arguments that `harm` needs.
            arguments: that it gets besides.
            assume: take it that it hosts them, as long as it cannot be asked.
        """
        if "models" not in self._manifest.mentioned:
            for name in fixtures:
                target.fixture(name)  # it hosts what it hosts, and a second one the same
        extra = (*(self._manifest.chaos.arguments if harmed else ()), *arguments)
        process = self._spawned(fixtures, extra, target.check)
        own = target.beside(process.addresses, fixtures if assume else ())
        try:
            yield Instance(process, own, self._manifest.chaos, _end_of(process))
        finally:
            own.close()
            process.kill()

    def _spawned(
        self, fixtures: Sequence[str], arguments: Sequence[str], check: str
    ) -> TargetProcess:
        manifest = self._again(arguments)
        models = self._with(fixtures)
        self._count += 1
        if self._count == 1:
            for log in self._logs.glob("target-fresh-*.log"):
                log.unlink()
        log = self._logs / f"target-fresh-{self._count}.log"
        try:
            return TargetProcess.start(
                manifest, models=models, log=log, title=f"# started by {check}"
            )
        except (StartError, InstallError) as error:
            raise Untestable(f"no second server can be started: {error}") from None

    def _again(self, arguments: Sequence[str]) -> Manifest:
        """The file for another server: on ports of its own, with what this one is to be told."""
        manifest = self._manifest
        if manifest.pinned:
            raise Untestable(f"no second server can be started: {manifest.pinned}")
        assert manifest.start is not None
        told = {DEFECTS: ",".join(self.defects)} if self.defects else {}
        start = replace(
            manifest.start,
            command=(*manifest.start.command, *arguments),
            environment={**manifest.start.environment, **told},
        )
        return replace(manifest, start=start, ports=Ports())

    def _with(self, fixtures: Sequence[str]) -> Path:
        """A model repository with these fixtures, made once."""
        names = tuple(sorted(set(fixtures)))
        if names not in self._built:
            folder = self._models / f"fresh-{len(self._built)}"
            build(folder, names or None)
            self._built[names] = folder
        return self._built[names]


def _end_of(process: TargetProcess) -> "Future[float]":
    """When its main process ends, on the monotonic clock, whatever the check does meanwhile."""
    moment: Future[float] = Future()
    handle = os.pidfd_open(process.pid or 0)
    ended = select.poll()
    ended.register(handle, select.POLLIN)

    def watch() -> None:
        ended.poll()
        moment.set_result(time.monotonic())
        os.close(handle)

    threading.Thread(target=watch, daemon=True).start()
    return moment
