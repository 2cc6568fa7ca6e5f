"""Load tests for one's own tests: run in a process of their own, judged there, read here."""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["LoadResult", "LoadTest", "LoadTestError"]

USAGE = 2


class LoadTestError(Exception):
    """It could not be run: what the command line said."""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What came of a load test.

    Attributes:
        report: everything, as in `load.json`.
        folder: where that file and the others lie.
        text: what a reader of a terminal would have seen.
        command: repeats it.
    """

    report: Mapping[str, Any]
    folder: Path
    text: str
    command: str = ""

    @property
    def verdict(self) -> str:
        """PASS, FAIL, INCONCLUSIVE or INVALID; NOT_RUN where no objective was given."""
        return str(self.report["verdict"])

    def percentile(self, percent: float) -> float:
        """Of the response times in seconds, infinite where too few were answered.

        Raises:
            KeyError: the report has no such percentile.
        """
        for line in self.report["summary"]["lines"]:
            if line["percent"] == percent:
                return float("inf") if line["seconds"] is None else float(line["seconds"])
        raise KeyError(percent)

    def __str__(self) -> str:
        return f"{self.verdict}\n{self.text}"


class LoadTest:
    """Runs load tests against one server.

    Args:
        words: of the command line that name the server.
        folder: makes a folder for the reports of each.

    Attributes:
        words: the same.
    """

    def __init__(self, words: Sequence[str], folder: Callable[[], Path]) -> None:
        self.words = words
        self._folder = folder

    def __call__(
        self, profile: str, slo: Sequence[str] = (), seconds: float | None = None, **options: object
    ) -> LoadResult:
        """Run a profile and return what came of it.

        Args:
            profile: such as "tail".
            slo: objectives such as "p99 < 100ms"; those of the target file where there are none.
            seconds: for how long; as long as the profile says where it is left out.
            options: more of `servespec load`, such as `rate=50`, `in_flight=100`.

        Raises:
            LoadTestError: it could not be run.
        """
        folder = self._folder()
        given = {**options, "profile": profile, "report_dir": folder}
        if seconds is not None:
            given["seconds"] = seconds
        words = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
        words = [*self.words, *words, *(f"--slo={text}" for text in slo)]
        done = _run(words)
        if done.returncode >= USAGE or done.returncode < 0:
            raise LoadTestError((done.stdout + done.stderr).strip())
        (file,) = folder.glob("*/load/load.json")
        report = json.loads(file.read_text(encoding="utf-8"))
        command = shlex.join(["servespec", "load", *words])
        return LoadResult(report, file.parent, done.stderr, command)


def _run(words: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "servespec", "load", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)
