"""The log of histograms over time as HdrHistogram writes it (.hlog), which its tools read.

The format is that of HistogramLogWriter and of AbstractHistogram's encoding V2 in the Java library.
"""

import base64
import struct
import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from .histogram import Histogram

__all__ = ["LONGEST", "Span", "write_hlog"]

DIGITS = 3
HALF = 1024
"""Counters for each power of two: what three digits take."""
NANOSECONDS = 10**9
LONGEST = 3600
"""The format knows no infinity: what took longer than an hour, or for ever, is written as that."""
COOKIE, COMPRESSED = 0x1C849303 | 0x10, 0x1C849304 | 0x10
COLUMNS = '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"\n'


@dataclass(frozen=True, slots=True)
class Span:
    """The samples of some seconds.

    Attributes:
        started: seconds since the epoch.
        seconds: how long it lasted.
        histogram: the samples.
        tag: what they are of, such as an endpoint; without commas and spaces.
    """

    started: float
    seconds: float
    histogram: Histogram
    tag: str = ""


def write_hlog(spans: Iterable[Span]) -> str:
    """The log as text; values in nanoseconds, to three digits.

    Raises:
        ValueError: there are no spans, or a tag holds a comma or white space.
    """
    rows = sorted(spans, key=lambda span: span.started)
    if not rows:
        raise ValueError("expected spans, found none")
    begun = rows[0].started
    date = time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime(begun))
    return (
        "#[Histogram log format version 1.3]\n"
        f"#[StartTime: {begun:.3f} (seconds since epoch), {date}]\n"
        f"{COLUMNS}{''.join(map(_line, rows))}"
    )


def _line(span: Span) -> str:
    if any(letter in ", \t\r\n" for letter in span.tag):
        raise ValueError(f"expected a tag without commas and spaces, found {span.tag!r}")
    counts = _nanoseconds(span.histogram)
    tag = f"Tag={span.tag}," if span.tag else ""
    longest = max(counts, default=0) / 1e6
    return f"{tag}{span.started:.3f},{span.seconds:.3f},{longest:.3f},{_encoded(counts)}\n"


def _nanoseconds(histogram: Histogram) -> dict[int, int]:
    """How often each whole number of nanoseconds."""
    found: dict[int, int] = {}
    for value, count in zip(*histogram.columns(), strict=True):
        whole = round(min(value, LONGEST) * NANOSECONDS)
        found[whole] = found.get(whole, 0) + int(count)
    return found


def _encoded(counts: dict[int, int]) -> str:
    """The counts in the encoding V2, compressed, as base64."""
    slots: dict[int, int] = {}
    for value, count in counts.items():
        slots[_slot(value)] = slots.get(_slot(value), 0) + count
    body = bytearray()
    expected = 0
    for slot in sorted(slots):
        if slot > expected:
            body += _zigzag(expected - slot)  # so many empty ones
        body += _zigzag(slots[slot])
        expected = slot + 1
    highest = LONGEST * NANOSECONDS
    head = struct.pack(">iiiiqqd", COOKIE, len(body), 0, DIGITS, 1, highest, 1.0)
    packed = zlib.compress(head + bytes(body))
    return base64.b64encode(struct.pack(">ii", COMPRESSED, len(packed)) + packed).decode()


def _slot(value: int) -> int:
    """The index of a value's counter."""
    exponent = max(0, value.bit_length() - (2 * HALF).bit_length() + 1)
    return exponent * HALF + (value >> exponent)


def _zigzag(number: int) -> bytes:
    """A signed number as ZigZag LEB128, of nine bytes at most."""
    rest = (number << 1) ^ (number >> 63)
    found = bytearray()
    while rest > 0x7F and len(found) < 8:
        found.append(rest & 0x7F | 0x80)
        rest >>= 7
    found.append(rest)
    return bytes(found)
