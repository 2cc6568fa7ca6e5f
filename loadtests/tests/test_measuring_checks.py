"""What the checks under load measure with, and when they believe it."""

import math
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from servespec.loading import LoadResult, LoadTest
from servespec.target.outcomes import Inconclusive, Invalid, Nonconformance
from servespec.target.target import Target

from ..checks.carried import bytes_carried
from ..checks.inturn import ROUNDS, in_turn, median_ratio, must_be_below
from ..checks.loaded import must_keep
from ..checks.machine import Company
from ..checks.place import is_on_this_machine

HALF, SAME, TWICE = (
    [np.full(5, factor * (1 + 0.01 * each)) for each in range(ROUNDS)] for factor in (0.5, 1.0, 2.0)
)


@contextmanager
def listening() -> Iterator[Target]:
    """A target that can be connected to, and no more."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield Target.at(f"http://127.0.0.1:{server.getsockname()[1]}")


def scripted(verdicts: Sequence[str], seconds: list[float]) -> LoadTest:
    """Load tests that end so, one after the other, and note how long they were to be."""
    left = iter(verdicts)

    def load_test(_profile: str, _slo: Sequence[str], duration: float, **_: Any) -> LoadResult:
        seconds.append(duration)
        told = {"objective": "p99 < 100ms", "sentence": "", "value": 0.1, "low": 0.1, "high": None}
        report = {"verdict": next(left), "judgements": [told], "summary": {"requests": 7}}
        return LoadResult(report, Path(), "")

    return cast(LoadTest, load_test)


def kept(*verdicts: str) -> list[float]:
    """How long each load was that led to a verdict."""
    seconds: list[float] = []
    with listening() as target:
        must_keep(target, scripted(verdicts, seconds), 1.0, ["p99 < 100ms"])
    return seconds


def test_a_pass_is_believed_at_once() -> None:
    assert kept("PASS") == [30]


def test_too_few_requests_are_asked_again_twice_as_long_and_that_twice_at_most() -> None:
    assert kept("INCONCLUSIVE", "INCONCLUSIVE", "PASS") == [30, 60, 120]
    with pytest.raises(Inconclusive):
        kept("INCONCLUSIVE", "INCONCLUSIVE", "INCONCLUSIVE", "PASS")


def test_what_the_generator_spoils_is_asked_again_three_times_at_most() -> None:
    assert kept("INVALID", "INVALID", "INVALID", "PASS") == [30] * 4
    with pytest.raises(Invalid):
        kept("INVALID", "INVALID", "INVALID", "INVALID", "PASS")


def test_others_on_the_machine_are_complained_of_beyond_a_tenth() -> None:
    assert not Company(0.1).complaint
    assert "11%" in Company(0.11).complaint


def test_a_miss_says_nothing_in_company_and_a_pass_stands() -> None:
    with Company(0.5).judging():
        pass
    with pytest.raises(Nonconformance), Company(0.0).judging():
        raise Nonconformance("late")
    said = "others took 50% of all processors meanwhile; late"
    with pytest.raises(Invalid, match=said), Company(0.5).judging():
        raise Nonconformance("late")


@pytest.mark.parametrize(("b", "bound"), [(HALF, 0.6), (TWICE, 2.1)])
def test_a_ratio_that_is_surely_below_its_bound_holds(b: list[np.ndarray], bound: float) -> None:
    must_be_below(bound, median_ratio(Target.at(None), "ratio", SAME, b), "it takes")


def test_a_ratio_that_is_surely_above_its_bound_fails() -> None:
    with pytest.raises(Nonconformance, match="it takes 2 times"):
        must_be_below(1.5, median_ratio(Target.at(None), "ratio", SAME, TWICE), "it takes")


def test_a_ratio_with_its_bound_in_the_interval_tells_nothing() -> None:
    random = np.random.default_rng(1)
    noisy = [block * random.lognormal(0, 0.5) for block in SAME]

    with pytest.raises(Inconclusive):
        must_be_below(1.0, median_ratio(Target.at(None), "ratio", SAME, noisy), "it takes")


def test_each_way_is_first_in_every_other_round_and_the_first_round_is_left_out() -> None:
    order: list[str] = []

    def ask(name: str) -> list[float]:
        order.append(name)
        return [1.0]

    blocks = in_turn(partial(ask, "a"), partial(ask, "b"))

    assert "".join(order).startswith("baabbaab")
    assert [len(taken) for taken in blocks] == [ROUNDS, ROUNDS]


def test_the_bytes_of_a_connection_are_counted_in_both_directions() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as ours:
            theirs, _ = server.accept()
            with theirs:
                before = bytes_carried(port)
                ours.sendall(b"x" * 1000)
                theirs.recv(1000, socket.MSG_WAITALL)
                theirs.sendall(b"y" * 500)
                ours.recv(500, socket.MSG_WAITALL)

                assert bytes_carried(port) - before == 1500


def test_a_server_is_here_where_both_ends_have_one_address() -> None:
    with listening() as target:
        assert is_on_this_machine(target)


def test_an_infinite_ratio_is_in_the_report_as_null() -> None:
    target = Target.at(None)
    median_ratio(target, "ratio", SAME, [np.full(5, math.inf)] * ROUNDS)

    assert target.statistics[0].value is None
