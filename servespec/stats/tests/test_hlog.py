"""The log of histograms, against bytes that another library wrote."""

import base64
import math
import struct
import zlib

import numpy as np
import pytest

from ..histogram import Histogram
from ..hlog import Span, write_hlog

WRITTEN = "HISTFAAAAC54nJNpmSzMwMDAwwABzFCaEch0M9ixgMH+A0Tg81lGpr/5N1gWnmFkAQCtKwnU"
"""By the Python library, in three digits: 3,921,509 ns, 300 times 501,953,125 ns, twice an hour."""


def recorded(values: object) -> Histogram:
    histogram = Histogram()
    histogram.record_many(np.asarray(values, dtype=float))
    return histogram


def payload(text: str) -> bytes:
    """The counts, without how they were compressed."""
    packed = base64.b64decode(text)
    cookie, length = struct.unpack(">ii", packed[:8])
    assert (cookie, length) == (0x1C849314, len(packed) - 8)
    return zlib.decompress(packed[8:])


def test_the_counts_are_encoded_as_by_another_library() -> None:
    histogram = recorded([257 / 2**16] + [257 / 2**9] * 300 + [math.inf] * 2)

    columns = write_hlog([Span(0, 1, histogram)]).splitlines()[-1].split(",")

    assert columns[:3] == ["0.000", "1.000", "3600000.000"]
    assert payload(columns[3]) == payload(WRITTEN)


def test_the_log_is_in_the_order_of_time_with_the_tags() -> None:
    histogram = recorded([0.001])
    text = write_hlog([Span(1700000001.5, 1, histogram, "infer"), Span(1700000000, 1.5, histogram)])

    lines = text.splitlines()
    assert lines[1].startswith("#[StartTime: 1700000000.000 (seconds since epoch), Tue Nov 14 22")
    assert lines[3].startswith("1700000000.000,1.500,1.000,HISTFAAA")
    assert lines[4].startswith("Tag=infer,1700000001.500,1.000,1.000,HISTFAAA")


def test_a_tag_that_would_break_the_line_is_refused() -> None:
    with pytest.raises(ValueError, match="found 'a,b'"):
        write_hlog([Span(0, 1, Histogram(), "a,b")])


def test_a_log_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="found none"):
        write_hlog([])
