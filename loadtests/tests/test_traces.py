"""A trace is read as it is written, in any order; a mistake names its line."""

from pathlib import Path

import pytest

from ..sending.traces import read_trace

MISTAKES = {
    "": "expected a line for each request, found none",
    "time,size\n": "expected a line for each request, found none",
    "1\nsoon\n": "request 2: expected seconds or a time such as",
    "1,2\n3,big\n": "request 2: expected a size, found '3,big'",
    "1,2\n3\n": "request 2: expected a size, found '3'",
}


def _trace(folder: Path, text: str) -> Path:
    file = folder / "trace.csv"
    file.write_text(text)
    return file


def test_seconds_count_from_the_earliest_and_sizes_go_with_them(tmp_path: Path) -> None:
    trace = read_trace(_trace(tmp_path, "at,tokens\n12.5,30\n10,20\n"))

    assert trace.offsets.tolist() == [0.0, 2.5]
    assert trace.sizes is not None
    assert trace.sizes.tolist() == [20.0, 30.0]


def test_times_of_day_are_read(tmp_path: Path) -> None:
    trace = read_trace(_trace(tmp_path, "2026-01-31 23:59:59.5\n2026-02-01 00:00:01\n"))

    assert trace.offsets.tolist() == [0.0, 1.5]
    assert trace.sizes is None


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_names_the_file_the_line_and_what_was_expected(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"trace\.csv: ") as told:
        read_trace(_trace(tmp_path, text))

    assert MISTAKES[text] in str(told.value)
