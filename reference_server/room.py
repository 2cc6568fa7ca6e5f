"""What the files of loaded models may take together."""

from pathlib import Path
from threading import Lock

from .errors import LoadError

__all__ = ["Room"]


class Room:
    """Counts bytes against a bound; from any thread.

    Args:
        limit: the most that may be taken; None: anything.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._taken = 0
        self._lock = Lock()

    def take(self, folder: Path) -> int:
        """Take what the files of a version have, which are little but weights; return how much.

        Raises:
            LoadError: less is left, or a file cannot be read.
        """
        try:
            files = (path for path in folder.rglob("*") if path.is_file())
            size = sum(path.stat().st_size for path in files)
        except OSError as error:
            raise LoadError(f"expected files that can be read: {error}") from error
        with self._lock:
            left = None if self._limit is None else self._limit - self._taken
            if left is not None and size > left:
                text = f"its files have {size} bytes, and of --memory-bytes {self._limit}"
                raise LoadError(f"{text} the other models leave {left}")
            self._taken += size
        return size

    def give_back(self, size: int) -> None:
        """Leave so much to others again."""
        with self._lock:
            self._taken -= size
