"""A small server, checks written for it, and pytest that judges it in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from servespec.target.procfs import processes
from servespec.verdicts.report import Report
from servespec.verdicts.result import CheckResult
from servespec.verdicts.store import read

__all__ = ["Judged", "Workplace"]

SECONDS = 60.0

SERVER = """
import http.server, os, signal, sys, time

if "broken" in sys.argv:
    sys.exit("no licence found")

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.path == "/break":
            server.broken = True
        if self.path == "/hang":
            open("asked", "w").close()
            time.sleep(1000)
        body = b'{"name": "stand-in", "version": "1", "extensions": ["schedule_policy", "odd"]}'
        well = self.path in ("/v2", "/v2/health/ready") and not server.broken
        self.send_response(200 if well else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
server.broken = False
print(server.server_port, flush=True)
server.serve_forever()
"""

TARGET = """
[target]
name = "stand-in"
version = "1"
rest = "http://127.0.0.1:{{http_port}}"

[start]
command = ["{{python}}", "server.py", "{{http_port}}", {flag}]
stop_seconds = 5

[claims.http]
"""

HEAD = """
from servespec.target.outcomes import NotApplicable
from servespec.verdicts.requirement import requirement
"""


@dataclass(frozen=True, slots=True)
class Judged:
    """How a run ended, what it printed, where its report is."""

    code: int
    printed: str
    folder: Path

    @property
    def report(self) -> Report:
        """The report; ValueError where none was written."""
        return read(next(self.folder.glob("*/report.json"), self.folder / "report.json"))

    @property
    def checks(self) -> dict[str, CheckResult]:
        """The result of each check."""
        return {result.check: result for result in self.report.checks}


@dataclass(frozen=True, slots=True)
class Workplace:
    """A folder with the server, its target file and the checks."""

    folder: Path

    def prepare(self, *checks: str, flag: str = "") -> None:
        """Writes the files; each check is the source text of a decorated function."""
        (self.folder / "server.py").write_text(SERVER)
        (self.folder / "target.toml").write_text(TARGET.format(flag=f'"{flag}"' if flag else ""))
        (self.folder / "test_checks.py").write_text("\n\n".join([HEAD, *checks]))

    def command(self, *options: str) -> list[str]:
        """Pytest as the command line calls it, for the checks of this folder."""
        command = [sys.executable, "-m", "pytest", "test_checks.py", "-p", "servespec.plugin"]
        command += ["-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={self.folder}"]
        return [*command, "--report-dir", "reports", *(options or ("--target", "target.toml"))]

    def judge(self, *checks: str, options: Sequence[str] = (), flag: str = "") -> Judged:
        """Runs pytest to its end."""
        self.prepare(*checks, flag=flag)
        with self.judging(*options) as process:
            printed, _ = process.communicate(timeout=SECONDS)
        return Judged(process.returncode, printed, self.folder / "reports")

    @contextmanager
    def judging(self, *options: str) -> Iterator["subprocess.Popen[str]"]:
        """Runs pytest in the background."""
        with subprocess.Popen(
            self.command(*options),
            cwd=self.folder,
            env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Runs the server on its own; gives its URL."""
        self.prepare()
        command = [sys.executable, "server.py", "0"]
        with subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stdout is not None
                yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
            finally:
                process.kill()

    def left(self) -> list[int]:
        """The processes that run in this folder."""
        found = []
        for pid in processes():
            try:
                found += [pid] if Path(f"/proc/{pid}/cwd").readlink() == self.folder else []
            except OSError:  # gone, or another user's
                continue
        return found
