"""A file of lines that never outgrows its limit: the newest are kept."""

import contextlib
import logging
import os
from pathlib import Path

__all__ = ["Records"]

_LOG = logging.getLogger(__name__)


class Records:
    """Appends lines to a file; when it has half of the limit it becomes the older one of two.

    For one thread. No method raises: what cannot be written is passed over, and told once.

    Args:
        path: of the newer file; the older one has `.1` behind its name.
        limit: bytes of both together.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self._path = path
        self._half = limit // 2
        self._complained = False

    def add(self, line: bytes) -> None:
        """Append a line, as a whole or not at all; one that is too long is passed over."""
        if len(line) >= self._half:
            return
        try:
            self._append(line + b"\n")
        except OSError as error:
            if not self._complained:
                _LOG.warning("%s: what is mirrored is not recorded: %s", self._path, error.strerror)
            self._complained = True
        else:
            self._complained = False

    def _append(self, line: bytes) -> None:
        size = self._path.stat().st_size if self._path.exists() else 0
        if size + len(line) > self._half:
            self._path.replace(self._path.with_name(f"{self._path.name}.1"))
            size = 0
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            written = os.write(descriptor, line)
            if written < len(line):  # the disk is full
                os.ftruncate(descriptor, size)
                raise OSError(None, "No space left on device")
        finally:
            with contextlib.suppress(OSError):
                os.close(descriptor)
