"""A row for each request: none is lost on the way from the workers, however they share them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ..sending.records import Fate, Records

COLUMNS = ("dispatched", "sent", "first", "done", "status", "fate")


def _settled(count: int, seed: int) -> Records:
    random = np.random.default_rng(seed)
    records = Records.planned(np.sort(random.random(count)))
    for name in COLUMNS[:4]:
        getattr(records, name)[:] = random.random(count)
    records.done[::7] = np.nan
    records.status[:] = random.integers(-1, 600, count)
    records.fate[:] = random.integers(1, len(Fate), count)
    return records


def _same(one: Records, other: Records) -> bool:
    pairs = ((getattr(one, name), getattr(other, name)) for name in ("intended", *COLUMNS))
    return all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in pairs)


@given(count=st.integers(0, 300), workers=st.integers(1, 9), data=st.data())
def test_any_split_over_workers_and_reports_gives_back_every_row(
    count: int, workers: int, data: st.DataObject
) -> None:
    whole, merged = _settled(count, 1), Records.planned(_settled(count, 1).intended)
    owner = np.array(
        data.draw(st.lists(st.integers(0, workers - 1), min_size=count, max_size=count))
    )
    packets: list[tuple[np.ndarray, Mapping[str, Any]]] = []
    for worker in range(workers):
        mine = np.flatnonzero(owner == worker)
        cut = data.draw(st.integers(0, len(mine)))
        packets += [(part, whole.pack(part)) for part in (mine[:cut], mine[cut:])]
    for rows, packed in data.draw(st.permutations(packets)):
        merged.unpack(rows, packed)

    assert _same(whole, merged)


def test_nothing_is_known_before_anything_is_told() -> None:
    records = Records.planned(np.arange(5.0))

    assert records.counts()[Fate.PENDING] == 5
    assert np.isinf(records.response_seconds()).all()
    assert len(records.lag_seconds()) == 0


def test_times_count_from_the_intended_moment_and_only_answers_have_one() -> None:
    records = Records.planned(np.array([1.0, 2.0]))
    records.dispatched[:], records.done[:] = [1.5, 2.5], [3.0, 3.0]
    records.fate[:] = [Fate.ANSWERED, Fate.REFUSED]

    assert records.response_seconds().tolist() == [2.0, np.inf]
    assert records.service_seconds().tolist() == [1.5, np.inf]
    assert records.lag_seconds().tolist() == [0.5, 0.5]
