"""What `model.toml` may say, and what it is told otherwise."""

from pathlib import Path

import pytest

from ..errors import LoadError
from ..model_file import Batching, Cache, ModelFile, Padding, Queueing, Steps, read_model_file

ALL = """
coalesce = false
[cache]
ttl_seconds = 60.0
[batching]
max_rows = 32
max_delay_ms = 2.5
preferred_rows = [8, 16]
[batching.padding]
axis = 1
buckets = [16, 32]
values = { ids = 0, mask = 1.5 }
outputs = ["tokens"]
[queue]
max_size = 64
timeout_ms = 0.5
priority_levels = 4
[steps]
preprocess = "steps.py:before"
postprocess = "steps.py:after"
"""


def test_a_model_without_a_file_is_neither_batched_nor_processed(tmp_path: Path) -> None:
    assert read_model_file(tmp_path) == ModelFile()


def test_all_that_it_says_is_read(tmp_path: Path) -> None:
    (tmp_path / "model.toml").write_text(ALL)
    padding = Padding(1, {"ids": 0, "mask": 1.5}, (16, 32), ("tokens",))
    assert read_model_file(tmp_path) == ModelFile(
        Batching(32, 2.5, (8, 16), padding),
        Steps("steps.py:before", "steps.py:after"),
        coalesce=False,
        cache=Cache(60.0),
        queue=Queueing(64, 0.5, 4),
    )


@pytest.mark.parametrize(
    ("content", "coalesces"),
    [
        ("", False),
        ("deterministic = false", False),
        ("coalesce = true", True),
        ("[cache]", True),
        ("coalesce = false\n[cache]", False),
    ],
)
def test_who_caches_coalesces_unless_told_otherwise(
    tmp_path: Path, content: str, coalesces: bool
) -> None:
    (tmp_path / "model.toml").write_text(content)
    assert read_model_file(tmp_path).coalesces is coalesces


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[batch]", "expected batching, steps"),
        ("[batching]", "batching: Object missing required field `max_rows`"),
        ("[batching]\nmax_row = 3\nmax_rows = 3", "expected max_rows, max_delay_ms, preferred_"),
        ("[batching]\nmax_rows = 0", "batching.max_rows: Expected `int` >= 1"),
        ("[batching]\nmax_rows = '3'", "batching.max_rows: Expected `int`, got `str`"),
        ("[batching]\nmax_rows = 3\nmax_delay_ms = -1", "batching.max_delay_ms: Expected"),
        ("[batching]\nmax_rows = 3\npreferred_rows = [4]", "batching.preferred_rows: expected"),
        (ALL.replace("[16, 32]", "[32, 16]"), "batching.padding.buckets: expected rising"),
        (ALL.replace("[16, 32]", "[]"), "batching.padding.buckets: Expected"),
        (ALL.replace("axis = 1", "axis = 0"), "batching.padding.axis: Expected `int` >= 1"),
        ("[steps]\npreprocess = '../steps.py:f'", "steps.preprocess: Expected"),
        ("[steps]\npreprocess = 'steps.py'", "steps.preprocess: Expected"),
        ("[cache]\nttl_seconds = 0", "cache.ttl_seconds: Expected `float` > 0"),
        ("deterministic = false\n[cache]", "cache: expected a model that is deterministic"),
        ("deterministic = false\ncoalesce = true", "coalesce: expected a model that is determin"),
        ("[queue]\nmax_size = 0", "queue.max_size: Expected"),
        ("[queue]\ntimeout_ms = 0", "queue.timeout_ms: Expected"),
        ("[queue]\ndefault_priority = 2", "queue.default_priority: expected one up to priority_"),
        ("max_rows", "expected a TOML file: "),
        (b"\xff", "expected a TOML file: "),
    ],
)
def test_a_mistake_is_one_line_that_names_the_file_the_key_and_what_was_expected(
    tmp_path: Path, content: str | bytes, complaint: str
) -> None:
    path = tmp_path / "model.toml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(LoadError) as caught:
        read_model_file(tmp_path)
    assert str(caught.value).startswith(f"{path}: ")
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)
