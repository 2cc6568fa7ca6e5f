"""Traces: when real requests came, and how large they were."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

__all__ = ["Trace", "read_trace"]


@dataclass(frozen=True, slots=True)
class Trace:
    """What a file says of requests.

    Attributes:
        offsets: seconds since the first one, ascending.
        sizes: what was asked for, in units of the file; None where it says nothing.
    """

    offsets: np.ndarray
    sizes: np.ndarray | None


def read_trace(path: Path) -> Trace:
    """Read a CSV file whose first column is a time, in seconds or ISO 8601, its second a size.

    A first line without a time is a heading.

    Raises:
        OSError: it cannot be read.
        ValueError: names the line, what was expected and what was found.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if row]
    if rows and _seconds(rows[0][0]) is None:
        del rows[0]
    if not rows:
        raise ValueError(f"{path}: expected a line for each request, found none")
    times = np.array([_must(row, 0, path, number) for number, row in enumerate(rows, 1)])
    order = np.argsort(times, kind="stable")
    sizes = None
    if len(rows[0]) > 1:
        sizes = np.array([_must(row, 1, path, number) for number, row in enumerate(rows, 1)])
        sizes = sizes[order]
    return Trace(times[order] - times[order[0]], sizes)


def _must(row: Sequence[str], column: int, path: Path, number: int) -> float:
    value = _seconds(row[column]) if column < len(row) else None
    if value is None:
        wanted = "a size" if column else "seconds or a time such as 2026-01-31T23:59:59.5"
        raise ValueError(f"{path}: request {number}: expected {wanted}, found {','.join(row)!r}")
    return value


def _seconds(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return _moment(text)
    return value if abs(value) < 1e15 else None


def _moment(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text.strip()[:26]).timestamp()
    except ValueError:
        return None
