"""The reader of metrics sees what is there, and every mistake in it."""

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from ..metrics.exposition import read

PAGE = """\
# a comment
# HELP requests_total How many \\\\ and\\nmore.
# TYPE requests_total counter
requests_total{model="a\\"b\\\\c\\n", version = "1" , } 3 1700000000000
requests_total 1e3

# TYPE seconds histogram
seconds_bucket{le="0.1"} 1
seconds_bucket{le="+Inf"} 2
seconds_sum .5
seconds_count 2
free_of_type +Inf
"""


def test_every_form_of_a_line_is_read() -> None:
    page = read(PAGE)
    first = page.samples[0]

    assert not page.malformed
    assert not list(page.misplaced())
    assert (first.label("model"), first.label("version"), first.value) == ('a"b\\c\n', "1", 3.0)
    assert [sample.value for sample in page.samples[1:]] == [1000, 1, 2, 0.5, 2, float("inf")]
    assert {page.family(sample) for sample in page.samples[2:6]} == {"seconds"}


def test_a_page_of_the_library_is_read_as_the_library_reads_it() -> None:
    registry = CollectorRegistry()
    Counter("asked", 'A "word" \\ and\nmore', ["model"], registry=registry).labels('x"\\\n').inc(2)
    Gauge("depth", "", registry=registry).set(-1.5)
    Histogram("took_seconds", "", registry=registry).observe(0.3)
    Summary("size_bytes", "", registry=registry).observe(7)
    text = generate_latest(registry).decode()
    families = text_string_to_metric_families(text)
    expected = [(one.name, one.labels, one.value) for each in families for one in each.samples]

    page = read(text)
    assert [(one.name, dict(one.labels), one.value) for one in page.samples] == expected
    assert not [*page.malformed, *page.misplaced()]


@pytest.mark.parametrize(
    "line",
    [
        "name",
        "name one",
        "2name 1",
        "name-2 1",
        'name{label="a"b"} 1',
        'name{label="a\\q"} 1',
        "name{label='a'} 1",
        'name{label="a" other="b"} 1',
        'name{label="a"',
        "name 1 2 3",
        "name 0x1",
        "# TYPE name",
        "# TYPE name rate",
        "# HELP",
        "# HELP name a \\ alone",
    ],
)
def test_a_line_that_is_none_is_told(line: str) -> None:
    page = read(f"before 1\n{line}\nafter 2\n")

    assert [text.partition(" cannot")[0] for text in page.malformed] == ["line 2"]
    assert [sample.name for sample in page.samples] == ["before", "after"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a 1\nb 1\na{x='1'} 2\n".replace("'", '"'), "a do not stand together"),
        ("# TYPE a gauge\n# TYPE a gauge\na 1\n", "2 TYPE lines"),
        ("# HELP a x\na 1\n# HELP a y\n", "2 HELP lines"),
        ("a 1\n# TYPE a gauge\n", "the TYPE line of a comes after"),
        ("a_bucket 1\n# TYPE a histogram\n", "the TYPE line of a comes after"),
        ("a 1", "line feed"),
    ],
)
def test_lines_out_of_their_place_are_told(text: str, said: str) -> None:
    assert said in "; ".join(read(text).misplaced())


def test_only_what_is_asked_for_is_read() -> None:
    page = read(PAGE, ["requests"])

    assert {sample.name for sample in page.samples} == {"requests_total"}
    assert page.types["seconds"] == "histogram"
