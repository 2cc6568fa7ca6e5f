"""`SHA256SUMS`, beside the files of a version: their digests, as `sha256sum` writes them."""

import re
from collections.abc import Mapping
from hashlib import file_digest
from pathlib import Path

from .errors import LoadError

__all__ = ["NAME", "check_manifest"]

NAME = "SHA256SUMS"
_LINE = re.compile(r"(?P<digest>[0-9a-f]{64}) [ *](?P<name>[^/\n][^\n]*)")
_SHOWN = 12
"""Digits of a digest that tell two of them apart to a reader."""


def check_manifest(folder: Path) -> None:
    """Hold the files of a version to its manifest; a version without one is taken as it is.

    Raises:
        LoadError: a file is another one, is missing or is not in the manifest; or this is none.
    """
    try:
        expected = _read(folder / NAME)
        for name, digest in expected.items():
            _check(folder / name, name, digest)
    except FileNotFoundError as error:
        if Path(error.filename).name == NAME:
            return
        missing = Path(error.filename).relative_to(folder).as_posix()
        raise LoadError(f"{NAME} names {missing}, which is missing") from error
    except (OSError, ValueError) as error:
        raise LoadError(f"{NAME}: expected a file that can be read: {error}") from error
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != NAME)
    for name in (path.relative_to(folder).as_posix() for path in sorted(files)):
        if name not in expected:
            raise LoadError(f"{name} is not in {NAME}")


def _read(path: Path) -> Mapping[str, str]:
    """Return the digest of each file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    matches = [_LINE.fullmatch(line) for line in lines]
    found = {match["name"].removeprefix("./"): match["digest"] for match in matches if match}
    if not found or not all(matches):
        raise LoadError(f"{NAME}: expected lines as sha256sum writes them")
    return found


def _check(path: Path, name: str, expected: str) -> None:
    with path.open("rb") as file:
        found = file_digest(file, "sha256").hexdigest()
    if found != expected:
        shown = f"has sha256 {found[:_SHOWN]}..., and {NAME} says {expected[:_SHOWN]}..."
        raise LoadError(f"{name} is corrupt or truncated: it {shown}")
