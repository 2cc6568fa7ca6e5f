"""A Python environment of the target's own, made from the requirements beside its file."""

import fcntl
import hashlib
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .leftovers import MARK, current_run, kill_all, marked
from .manifest import Manifest
from .sections import fill

__all__ = ["InstallError", "interpreter", "run", "variables", "version"]

INSTALL_SECONDS = 1200.0
VERSION_SECONDS = 60.0
TAIL_LINES = 15


class InstallError(Exception):
    """What the target needs could not be installed: one line, then the installer's last words."""


def interpreter(manifest: Manifest) -> Path:
    """The Python to start the target with: its own environment's, made on first use.

    Without `[start] requirements` it is the one that runs the suite. Environments lie under
    $SERVESPEC_HOME, or `.servespec` in the current directory, and are used again as long as the
    requirements do not change.
    """
    requirements = manifest.start.requirements if manifest.start else None
    if requirements is None:
        return Path(sys.executable)
    content = requirements.read_bytes() + f"{sys.version} {sys.base_prefix}".encode()
    digest = hashlib.sha256(content).hexdigest()[:12]
    home = Path(os.environ.get("SERVESPEC_HOME", ".servespec")).absolute()
    folder = home / "envs" / f"{manifest.target.name}-{digest}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    complete = folder / "complete"
    with _locked(folder.parent / f"{folder.name}.lock"):
        if not complete.exists():
            _announce(f"installing {requirements} into {folder}, once")
            shutil.rmtree(folder, ignore_errors=True)  # a half-made one
            _install(folder, requirements)
            complete.touch()
    return folder / "bin" / "python"


def variables(python: Path) -> dict[str, str]:
    """The environment variables of whatever runs with `python`: its scripts come first in PATH."""
    result = dict(os.environ)
    if python != Path(sys.executable):
        result.pop("PYTHONPATH", None)
        result["VIRTUAL_ENV"] = str(python.parent.parent)
        result["PATH"] = f"{python.parent}{os.pathsep}{result.get('PATH', os.defpath)}"
    return result


def version(manifest: Manifest, python: Path) -> str:
    """The target's version: as stated, or the last line that its command prints."""
    if not manifest.target.version_command:
        return manifest.target.version
    values = {"python": python, "here": manifest.folder}
    words = [fill(word, values) for word in manifest.target.version_command]
    printed = run(words, VERSION_SECONDS, manifest.folder, variables(python))
    return (printed.strip().splitlines() or [""])[-1].strip()


def _install(folder: Path, requirements: Path) -> None:
    python = folder / "bin" / "python"
    uv = shutil.which("uv")
    if uv:
        create = [uv, "venv", "--quiet", "--python", sys.executable, str(folder)]
        fetch = [uv, "pip", "install", "--python", str(python), "-r", requirements.name]
    else:
        create = [sys.executable, "-m", "venv", str(folder)]
        fetch = [str(python), "-m", "pip", "install", "-r", requirements.name]
    for command in (create, fetch):
        run(command, INSTALL_SECONDS, requirements.parent, dict(os.environ))


def run(command: Sequence[str], seconds: float, folder: Path, environment: dict[str, str]) -> str:
    """What a command prints; an `InstallError` when it fails or takes too long."""
    mark = f"{current_run().id}/{secrets.token_hex(4)}"
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment | {MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise InstallError(f"{command[0]} does not start: {error.strerror}") from None
    try:
        printed, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise InstallError(f"{_line(command)} did not end within {seconds:.0f} s") from None
    finally:
        kill_all(lambda: marked(mark))
        process.wait()
    if process.returncode:
        tail = "\n".join(printed.splitlines()[-TAIL_LINES:])
        raise InstallError(f"{_line(command)} ended with code {process.returncode}\n{tail}")
    return printed


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Waits while another run makes the same environment."""
    deadline = time.monotonic() + INSTALL_SECONDS
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise InstallError(f"another run has held {path} too long") from None
                time.sleep(0.1)
        yield


def _line(command: Sequence[str]) -> str:
    return " ".join(command)


def _announce(text: str) -> None:
    sys.stderr.write(f"servespec: {text}\n")
    sys.stderr.flush()
