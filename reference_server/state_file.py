"""What the server was told at run time, kept on disk for the next start."""

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from .errors import StartupError, StateNotKept

__all__ = ["StateFile", "hold"]

Content = TypeVar("Content")


class StateFile(Generic[Content]):
    """A JSON file that holds the last content that was written, whatever ends the process.

    For one writer at a time, from any thread.

    Args:
        path: of the file; its folder exists.
        content: the type of what it holds.
    """

    def __init__(self, path: Path, content: type[Content]) -> None:
        self.path = path
        self._content = content

    def read(self) -> Content | None:
        """Return what was written last; None: nothing ever was.

        Raises:
            StartupError: somebody else wrote it.
        """
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=self._content)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, ValueError) as error:
            raise StartupError(f"{self.path}: expected a state of this server: {error}") from error

    def write(self, content: Content) -> None:
        """Replace what is there, as a whole or not at all, and on the disk when it returns.

        Raises:
            StateNotKept: it could not be written; what was there stays.
        """
        beside = self.path.with_name(f"{self.path.name}.new")
        try:
            with beside.open("wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(content)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)
            _sync(self.path.parent)  # or the new name may be lost with the power
        except OSError as error:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise StateNotKept(f"the state cannot be kept: {error.strerror}") from error


def hold(folder: Path) -> None:
    """Keep a folder to this process until it ends, however it does: two would overwrite each other.

    Raises:
        StartupError: another process has it, or nothing can be written there.
    """
    try:
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StartupError(f"--state {folder}: another server uses it") from None
    except OSError as error:
        raise StartupError(f"--state {folder}: {error.strerror}") from error


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
