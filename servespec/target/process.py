"""A target that the suite starts: watched while it runs, gone with all its processes at the end."""

import atexit
import contextlib
import itertools
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from .environment import interpreter, run, variables
from .leftovers import MARK, carries, current_run, kill_all
from .manifest import Addresses, Manifest
from .procfs import Process, descendants, listeners, processes, send
from .readiness import Stranger, answers_grpc, answers_rest, listens, port_of
from .sections import Ports, Start, fill

__all__ = ["StartError", "TargetProcess", "free_port"]

POLL_SECONDS = 0.02
STRAGGLER_SECONDS = 1.0
TAIL_LINES = 15
TAIL_BYTES = 4000
LOWEST_PORT = 10_000

_numbers = itertools.count(1)


class StartError(Exception):
    """The target does not start: one line, then the last lines of its log."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a target is started, so that each restart is the same; `values` fill placeholders."""

    manifest: Manifest
    start: Start
    values: Mapping[str, object]
    environment: Mapping[str, str]

    @classmethod
    def of(cls, manifest: Manifest, start: Start, models: Path) -> Self:
        """Chooses the ports that the file leaves open, makes the environment if need be."""
        python = interpreter(manifest)
        values = {**_ports(manifest.ports), "models": models, "python": python}
        values["here"] = manifest.folder
        own = {name: fill(text, values) for name, text in start.environment.items()}
        environment = {"PYTHONUNBUFFERED": "1"} | variables(python) | own
        return cls(manifest, start, values, environment)

    def filled(self, words: Sequence[str]) -> list[str]:
        """A command of the target file."""
        return [fill(word, self.values) for word in words]

    @property
    def addresses(self) -> Addresses:
        """Where the started server will be."""
        unfilled = astuple(self.manifest.addresses)
        return Addresses(*(text and fill(text, self.values) for text in unfilled))


def _ports(fixed: Ports) -> dict[str, int]:
    """A port for each placeholder of one, no two the same."""
    ports = {
        "http_port": fixed.http,
        "grpc_port": fixed.grpc,
        "metrics_port": fixed.metrics,
        "probe_port": fixed.probes,
        "defects_port": 0,
    }
    for name, port in ports.items():
        ports[name] = port or free_port(besides=ports.values())
    return ports


class TargetProcess:
    """A started server with all the processes that came of it.

    Attributes:
        addresses: where it is reached.
        log: the file that its standard output and error go to.
        started: when it was last started, on the monotonic clock.
    """

    def __init__(self, recipe: Recipe, log: Path) -> None:
        self.addresses = recipe.addresses
        self.log = log
        self.started = 0.0
        self._recipe = recipe
        self._mark = f"{current_run().id}/{next(_numbers)}"
        self._main: subprocess.Popen[bytes] | None = None
        self._death: str | None = None
        self._seen: set[tuple[int, int]] = set()
        self._sessions: set[int] = set()

    @classmethod
    def start(cls, manifest: Manifest, *, models: Path, log: Path, title: str = "") -> Self:
        """Runs the manifest's command and returns at once; `wait_ready` comes next.

        Args:
            manifest: one with a `[start]` section.
            models: the model repository that `{models}` stands for.
            log: gets what the server prints; its folder is made if need be.
            title: the first line of the log.

        Raises:
            StartError: the command cannot be run.
            InstallError: the environment that the target asks for cannot be made.
        """
        if manifest.start is None:
            raise StartError(f"{manifest.file}: expected a [start] section, found none")
        process = cls(Recipe.of(manifest, manifest.start, models), log)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"{title}\n" if title else "")
        process._spawn()
        return process

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def restart(self) -> None:
        """Ends what is left of it, runs it again on the same ports; returns when it is ready."""
        self.stop()
        self._spawn()
        self.wait_ready()

    def respawn(self) -> None:
        """Kills what is left of it, runs it again on the same ports; returns at once."""
        self.kill()
        self._spawn()

    def _spawn(self) -> None:
        recipe = self._recipe
        with self.log.open("ab") as log:
            try:
                self._main = subprocess.Popen(
                    recipe.filled(recipe.start.command),
                    cwd=recipe.manifest.folder,
                    env={**recipe.environment, MARK: self._mark},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise StartError(
                    f"{recipe.manifest.file}: [start] command: expected a program, "
                    f"found {recipe.start.command[0]!r} ({error.strerror})"
                ) from None
        self.started = time.monotonic()
        self._death = None
        atexit.register(self.stop)

    def wait_ready(self) -> None:
        """Returns when every plane answers, at most after the file's `ready_seconds`.

        Raises:
            StartError: it died, is not ready in time, or another process holds its port; the
                target is stopped and nothing of it is left.
        """
        try:
            self.until_ready()
        except BaseException:
            self.stop()
            raise

    def until_ready(self) -> None:
        """As `wait_ready`, but a target that is not ready is left as it is."""
        seconds = self._recipe.start.ready_seconds
        deadline = time.monotonic() + seconds
        while missing := self._missing():
            if death := self.alive():
                raise StartError(f"{death}, before it was ready{self._last_words()}")
            if time.monotonic() > deadline:
                raise StartError(
                    f"the target was not ready within {seconds:g} s: {missing}{self._last_words()}"
                )
            time.sleep(POLL_SECONDS)

    def _missing(self) -> str | None:
        """What it lacks to be ready, None when nothing."""
        manifest = self._recipe.manifest
        try:
            for address in filter(None, (self.addresses.rest, self.addresses.grpc)):
                if not listens(port_of(address), self.processes):
                    return f"nothing listens at {address}"
        except Stranger as error:
            raise StartError(str(error)) from None
        headers, tls = manifest.headers(), manifest.tls()
        rest, grpc = self.addresses.rest, self.addresses.grpc
        if rest:
            return answers_rest(rest, self._recipe.start.ready_path, headers, tls)
        return answers_grpc(grpc, headers) if grpc and not tls else None

    def _last_words(self) -> str:
        with self.log.open("rb") as log:
            log.seek(-min(self.log.stat().st_size, TAIL_BYTES), os.SEEK_END)
            lines = log.read().decode(errors="replace").splitlines()[-TAIL_LINES:]
        # What a terminal takes for a command is not passed on.
        shown = (
            "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in line) for line in lines
        )
        return "\n".join(["", f"{self.log} ends with:", *shown]) if lines else ""

    def alive(self) -> str | None:
        """None while the server's main process runs, otherwise the sentence of its death."""
        if self._main is None:
            return self._death or "the target is not started"
        code = self._main.poll()
        if code is not None and self._death is None:
            how = f"was killed by {_name(-code)}" if code < 0 else f"exited with code {code},"
            seconds = time.monotonic() - self.started
            self._death = f"the target {how} {seconds:.1f} s after its start"
        return self._death

    @property
    def pid(self) -> int | None:
        """Of the main process, also when that is dead; None when there is nothing left of it."""
        return self._main.pid if self._main else None

    @property
    def code(self) -> int | None:
        """The main process's exit code, negative the signal that killed it; None as it runs."""
        return self._main.poll() if self._main else None

    def execute(self, command: Sequence[str], seconds: float) -> str:
        """Runs another command of the target file beside it; returns what that printed.

        Raises:
            InstallError: it does not run, fails, or takes longer.
        """
        recipe = self._recipe
        folder, environment = recipe.manifest.folder, dict(recipe.environment)
        return run(recipe.filled(command), seconds, folder, environment)

    def signal(self, number: signal.Signals) -> None:
        """Signals the main process alone, as an orchestrator does."""
        if self._main is not None:
            self._main.send_signal(number)

    def processes(self) -> list[Process]:
        """Every running process that came of the start command, wherever it has moved to.

        Found by the mark in its environment, by its parents, by its session, or because it was one
        before: a process can leave its group, outlive its parent, overwrite its environment.
        """
        table = processes()
        roots = [pid for pid, process in table.items() if self._is_own(process)]
        own = [table[pid] for pid in descendants(roots, table)]
        self._seen.update((process.pid, process.started) for process in own)
        self._sessions.update(process.session for process in own)
        return [process for process in own if not process.is_zombie]

    def _is_own(self, process: Process) -> bool:
        orphan = process.parent == os.getpid() and process.session in self._sessions
        known = (process.pid, process.started) in self._seen
        return orphan or known or carries(process.pid, self._mark)

    def stop(self) -> str | None:
        """SIGTERM, `stop_seconds` of patience, SIGKILL for what is left; then nothing is left.

        Returns:
            The sentence of how it ended; None when there was nothing to stop.
        """
        if self._main is None:
            return None
        self.processes()
        if self.alive() is None:
            self._main.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._main.wait(self._recipe.start.stop_seconds)
        if self.alive() is None:
            seconds = self._recipe.start.stop_seconds
            self._death = f"the target did not stop within {seconds:g} s of SIGTERM and was killed"
        else:
            self._dismiss_stragglers()
        return self.kill()

    def kill(self) -> str | None:
        """SIGKILL to all that came of it; then nothing is left.

        Returns:
            The sentence of how it ended; None when there was nothing to kill.
        """
        if self._main is None:
            return None
        if survivors := kill_all(self.processes):
            pids = ", ".join(str(process.pid) for process in survivors)
            raise RuntimeError(f"processes of the target outlive SIGKILL: {pids}")
        self._main.wait()
        ending = self.alive()
        self._reap(self._main.pid)
        self._main = None
        atexit.unregister(self.stop)
        return ending

    def _dismiss_stragglers(self) -> None:
        """Asks what the main process left behind to end, and gives it a moment."""
        for process in self.processes():
            send(process, signal.SIGTERM)
        deadline = time.monotonic() + STRAGGLER_SECONDS
        while self.processes() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)

    def _reap(self, main: int) -> None:
        """Takes note of the dead that were orphaned and came to us."""
        for process in processes().values():
            ours = process.parent == os.getpid() and process.session in self._sessions
            if ours and process.is_zombie and process.pid != main:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(process.pid, os.WNOHANG)


def free_port(besides: Collection[int] = ()) -> int:
    """A port that nobody listens on, below those that the kernel hands to clients."""
    limits = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    end = int(limits[0]) if int(limits[0]) > 2 * LOWEST_PORT else 32768
    # Not the shared generator: a fixed seed would make every run try the same ports.
    for port in random.SystemRandom().sample(range(LOWEST_PORT, end), 100):
        if port not in besides and not listeners(port):
            with socket.socket() as probe, contextlib.suppress(OSError):
                probe.bind(("", port))
                return port
    raise StartError(f"expected a free port from {LOWEST_PORT} to {end - 1}, found none")


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
