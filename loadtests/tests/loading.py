"""`servespec load` in a process of its own, and what runs below it."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servespec.target.procfs import Process, descendants, processes

from .misbehaving import Misbehaving, Reply, misbehaving

__all__ = ["Ended", "Loading", "load", "load_with_a_fault"]

SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended.

    Attributes:
        code: its exit code.
        report: `load.json`.
        text: what it wrote to standard error.
        left: processes of it that still run.
    """

    code: int
    report: Any
    text: str
    left: Sequence[Process]


class Loading:
    """A running load test."""

    def __init__(self, folder: Path, words: Sequence[str]) -> None:
        self._folder = folder
        command = [sys.executable, "-m", "servespec", "load", *words]
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self._below: set[Process] = set()

    def locusts(self) -> tuple[Process, list[Process]]:
        """Locust's first process, and its workers."""
        table = processes()
        below = [table[pid] for pid in descendants([self.process.pid], table)]
        self._below.update(below)
        found = {each.pid: each for each in below if _is_locust(each)}
        (first,) = (each for each in found.values() if each.parent not in found)
        return first, [each for each in found.values() if each.parent in found]

    def ended(self) -> Ended:
        """Wait for the end."""
        _, text = self.process.communicate(timeout=SECONDS)
        left = [each for each in self._below if each.is_running()]
        files = list(self._folder.glob("reports/*/load/load.json"))
        assert files, text
        report = json.loads(files[0].read_text(encoding="utf-8"))
        return Ended(self.process.returncode, report, text, left)


def _is_locust(process: Process) -> bool:
    try:
        return b"locustfile.py" in Path(f"/proc/{process.pid}/cmdline").read_bytes()
    except OSError:  # gone meanwhile
        return False


def load(folder: Path, *words: str) -> Ended:
    """Run one to its end."""
    return Loading(folder, words).ended()


def load_with_a_fault(
    folder: Path, at: int, fault: Callable[[Loading, Misbehaving], object], *words: str
) -> Ended:
    """Run one, 50 requests a second for three seconds; the fault comes with request `at`."""
    begun: list[Loading] = []

    def script(number: int) -> Reply:
        if number == at:
            fault(begun[0], server)
        return Reply()

    with misbehaving(script) as server:
        given = ["--arrivals=constant", "--rate=50", "--seconds=3", "--slo=p50 < 1s"]
        begun.append(Loading(folder, [f"--target-url={server.url}", *given, *words]))
        return begun[0].ended()
