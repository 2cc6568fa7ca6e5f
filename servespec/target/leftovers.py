"""What a run leaves in the machine, a folder and marked processes, and its removal.

A run that was killed cannot clean up after itself; the next one does. Every process that a run
starts carries the run's id in its environment, and none that does not is ever ended.
"""

import atexit
import ctypes
import functools
import os
import re
import secrets
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .procfs import Process, descendants, environment, processes, send

__all__ = ["KILL_SECONDS", "MARK", "Run", "carries", "current_run", "kill_all", "marked", "sweep"]

MARK = "SERVESPEC_RUN"
KILL_SECONDS = 5.0
AGAIN_SECONDS = 0.01
PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Run:
    """One process of the suite, named by its pid and start time.

    Attributes:
        id: what the processes that it started carry, as it is or followed by a slash and more.
        folder: for its temporary files; being there, it tells later runs of this one.
    """

    id: str
    folder: Path

    @property
    def is_over(self) -> bool:
        """Whether the process that began it is gone."""
        pid, started, _ = self.id.split("-")
        process = Process.read(int(pid))
        return process is None or process.started != int(started) or process.is_zombie

    def end(self) -> None:
        """Ends every process that bears the run's mark, with its children; removes the folder."""
        kill_all(lambda: marked(self.id))
        shutil.rmtree(self.folder, ignore_errors=True)


def current_run() -> Run:
    """The run of this process; on first use it removes the leftovers of runs that are over.

    From now on whatever this process starts carries the run's mark, and what comes back to it as
    an orphan without one is the child of a target that cleared its environment.
    """
    run = _begun()
    _unwind_when_told_to_end()
    return run


@functools.cache
def _begun() -> Run:
    sweep()
    own = Process.read(os.getpid())
    if own is None:
        raise RuntimeError("expected this process in /proc, found nothing: servespec needs Linux")
    name = f"{own.pid}-{own.started}-{secrets.token_hex(4)}"
    run = Run(name, _runs() / name)
    run.folder.mkdir(mode=0o700)
    os.environ[MARK] = run.id
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    since = time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK")

    def end() -> None:
        if os.getpid() == own.pid:  # a forked child does not end its parent's run
            kill_all(lambda: _strays(own, since))
            run.end()

    atexit.register(end)
    return run


def _unwind_when_told_to_end() -> None:
    """Makes SIGTERM and SIGHUP what Ctrl-C is, unless somebody already handles them."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, signal.default_int_handler)
        if not isinstance(sys.unraisablehook, _Insisting):
            sys.unraisablehook = _Insisting(sys.unraisablehook)


class _Insisting:
    """Tells the main thread to end once more where it was told so and did not hear it.

    What is raised in a finalizer or in the callback of a weak reference, as there is one at the end
    of each import, is dropped by Python: a signal that comes just then would go unheard.
    """

    def __init__(self, before: Callable[["sys.UnraisableHookArgs"], object]) -> None:
        self._before = before

    def __call__(self, dropped: "sys.UnraisableHookArgs") -> None:
        if dropped.exc_type is not KeyboardInterrupt:
            self._before(dropped)
            return
        again = threading.Timer(AGAIN_SECONDS, _interrupt)
        again.daemon = True
        again.start()


def _interrupt() -> None:
    """Raises KeyboardInterrupt in the main thread, whatever it waits for."""
    heeded = signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGTERM if heeded else signal.SIGINT)


def _strays(suite: Process, since: float) -> list[Process]:
    return [
        process
        for process in processes().values()
        if process.parent == suite.pid
        and process.session != suite.session
        and process.started >= since
        and not process.is_zombie
        and MARK not in environment(process.pid)
    ]


def sweep() -> None:
    """Ends the runs whose suite was killed."""
    for folder in _runs().iterdir():
        if re.fullmatch(r"\d+-\d+-[0-9a-f]+", folder.name):
            run = Run(folder.name, folder)
            if run.is_over:
                run.end()


def _runs() -> Path:
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    root = Path(base, "servespec") if os.path.isdir(base) else Path(f"/tmp/servespec-{os.getuid()}")
    folder = root / "runs"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder}: expected a folder of our own, found another user's")
    return folder


def marked(mark: str) -> list[Process]:
    """The running processes that carry `mark`, or it and a slash, and those they started."""
    table = processes()
    found = descendants((pid for pid in table if carries(pid, mark)), table)
    return [table[pid] for pid in found if not table[pid].is_zombie]


def carries(pid: int, mark: str) -> bool:
    """Whether a process was started with `mark`, or with it and a slash and more."""
    return f"{environment(pid).get(MARK, '')}/".startswith(f"{mark}/")


def kill_all(find: Callable[[], Sequence[Process]]) -> Sequence[Process]:
    """Kills what `find` finds until it finds nothing; returns what outlived KILL_SECONDS."""
    deadline = time.monotonic() + KILL_SECONDS
    while (found := find()) and time.monotonic() < deadline:
        for process in found:
            send(process, signal.SIGKILL)
        time.sleep(0.01)
    return found
