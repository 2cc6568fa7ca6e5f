"""Tests of one's own, beside the suite: pytest test_my_server.py --target target.toml."""

import pytest

from servespec.target.target import Target


def test_the_server_says_its_name(target: Target) -> None:
    """Dashboards of ours look for it."""
    answer = target.rest.get("/v2").must_succeed()

    assert answer.answer("name")


@pytest.mark.parametrize("rows", [1, 8])
def test_rows_come_back_as_they_were_sent(target: Target, rows: int) -> None:
    """The largest batch that our clients send is 8 rows."""
    x = {"name": "x", "datatype": "FP32", "shape": [rows, 2], "data": [0.5] * 2 * rows}
    answer = target.rest.infer("identity_fp32", {"inputs": [x]}).must_succeed()

    assert answer.values("y") == [0.5] * 2 * rows
