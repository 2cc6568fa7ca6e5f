"""What Linux knows of running processes, read from /proc."""

import os
import re
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "Process",
    "command",
    "cpu_seconds",
    "descendants",
    "environment",
    "listeners",
    "processes",
    "resident_bytes",
    "send",
]

PROC = Path("/proc")
LISTEN = "0A"


@dataclass(frozen=True, slots=True)
class Process:
    """One process; pid and start (in ticks since boot) together name it, a pid alone does not."""

    pid: int
    started: int
    parent: int
    session: int
    state: str

    @classmethod
    def read(cls, pid: int) -> "Process | None":
        """The process that has this pid now, None where there is none."""
        try:
            text = (PROC / str(pid) / "stat").read_text(errors="replace")
        except OSError:
            return None
        # The command, in parentheses, may itself hold spaces and parentheses.
        state, parent, _group, session, *rest = text[text.rindex(")") + 2 :].split()
        return cls(pid, int(rest[15]), int(parent), int(session), state)

    @property
    def is_zombie(self) -> bool:
        """Dead, and waiting for its parent to take note."""
        return self.state in "ZX"

    def is_running(self) -> bool:
        """Whether this very process is still there and not merely waiting to be reaped."""
        now = Process.read(self.pid)
        return now is not None and now.started == self.started and not now.is_zombie


def processes() -> dict[int, Process]:
    """Every process that can be seen, by pid."""
    pids = (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())
    found = (Process.read(pid) for pid in pids)
    return {process.pid: process for process in found if process}


def descendants(roots: Iterable[int], table: dict[int, Process]) -> set[int]:
    """The pids of `roots`, their children, and theirs, as far as `table` knows them."""
    children: dict[int, list[int]] = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process.pid)
    found: set[int] = set()
    ahead = [pid for pid in roots if pid in table]
    while ahead:
        pid = ahead.pop()
        if pid not in found:
            found.add(pid)
            ahead.extend(children.get(pid, ()))
    return found


def environment(pid: int) -> dict[str, str]:
    """The variables that the process was started with; empty where they cannot be read."""
    pairs = (entry.partition("=") for entry in _nul_separated(pid, "environ"))
    return {name: value for name, equals, value in pairs if equals}


def command(pid: int) -> str:
    """The command line of a process, shortened, for a message."""
    return " ".join(_nul_separated(pid, "cmdline"))[:80] or "unknown"


def _nul_separated(pid: int, name: str) -> list[str]:
    try:
        data = (PROC / str(pid) / name).read_bytes()
    except OSError:
        return []
    return data.decode(errors="replace").rstrip("\0").split("\0")


def resident_bytes(pid: int) -> int:
    """How much memory the process holds in RAM; 0 where it is gone."""
    try:
        pages = (PROC / str(pid) / "statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """What the process has computed, and its children that have ended; 0 where it is gone."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return 0.0
    ticks = text[text.rindex(")") + 2 :].split()[11:15]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def send(process: Process, number: signal.Signals) -> None:
    """Signals this very process; a later one that got the same pid is never touched."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        now = Process.read(process.pid)
        if now and now.started == process.started:
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)


def listeners(port: int) -> set[str]:
    """The inodes of the sockets that listen on a TCP port, on any address."""
    rows = (row.split() for table in ("tcp", "tcp6") for row in _table(table))
    ending = f":{port:04X}"
    return {row[9] for row in rows if row[3] == LISTEN and row[1].endswith(ending)}


def _table(name: str) -> list[str]:
    try:
        return (PROC / "net" / name).read_text().splitlines()[1:]
    except OSError:  # a kernel without IPv6
        return []


def sockets(pid: int) -> set[str]:
    """The inodes of the sockets that a process holds; empty where that may not be seen."""
    found = set()
    try:
        for entry in os.scandir(PROC / str(pid) / "fd"):
            try:
                match = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(entry.path))
            except OSError:
                continue
            if match:
                found.add(match[1])
    except OSError:
        pass
    return found
