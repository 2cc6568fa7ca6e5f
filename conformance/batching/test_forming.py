"""How batches are formed: that they are, how large, and how long a caller waits for company."""

from statistics import median, quantiles

import pytest

from servespec.target.exchange import Exchange
from servespec.target.outcomes import NotApplicable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..questions import Question, witnessing
from ..strategies import request, tensor
from .crowds import (
    CALLERS,
    bursts,
    delay_seconds,
    executions,
    full_house,
    maximum_requests,
    maximum_rows,
)

LONERS = 40
MARGIN = 0.005
"""Seconds beyond the delay at the median: the requirement's own bound."""
MARGIN_OF_P95 = 0.025
"""Seconds beyond it at p95, where a busy machine's scheduler is measured as well."""
CROWDS = 5


@requirement("BATCH-003", kind="saturating")
@pytest.mark.parametrize("mix", ["nearly full", "thirds", "all sizes"])
def test_no_batch_is_larger_than_the_maximum(target: Target, mix: str) -> None:
    """An operator who sized the memory for the maximum does not run out of it."""
    most = full_house(target)
    sizes = _sizes(mix, most) if maximum_requests(target) is None else [1] * 2 * most
    questions = [_column(rows, caller) for caller, rows in enumerate(sizes)]

    for answers in bursts(target, questions):
        for _, exchange in answers:
            _must_keep_maximum(exchange.must_succeed(), most)


def _sizes(mix: str, most: int) -> list[int]:
    """Rows of each caller: two or three of them are together one row too many."""
    if mix == "nearly full":
        return [max(most - 1, 1), min(2, most)] * (CALLERS // 2)
    if mix == "thirds":
        return [most // 3 + (most >= 3)] * CALLERS if most >= 3 else [1] * CALLERS
    return [1 + 7 * caller % most for caller in range(CALLERS)]


def _column(rows: int, caller: int) -> Question:
    return witnessing([float(caller)] * rows)


def _must_keep_maximum(exchange: Exchange, most: int) -> None:
    largest = int(exchange.array("batch").max())
    assert largest <= most, f"a batch of {largest} rows was executed; the maximum is {most}"


@requirement("BATCH-004")
def test_a_lone_caller_waits_no_longer_than_the_delay(target: Target) -> None:
    """A client on an idle server pays at most the delay for company that never comes."""
    delay = delay_seconds(target)
    for _ in bursts(target, [_column(1, caller) for caller in range(8)]):
        pass  # a server that adapts to its load expects company now
    waits = [_lone_and_full(target) for _ in range(LONERS)]
    lone, full = ([pair[side] for pair in waits] for side in (0, 1))

    for name, at, margin in (("median", median, MARGIN), ("p95", _p95, MARGIN_OF_P95)):
        waited = at(lone) - at(full)
        target.record(f"{name} of a lone caller's wait", f"{waited * 1000:.1f} ms")
        assert waited <= delay + margin, (
            f"a lone caller waits {waited * 1000:.1f} ms longer than one who fills a batch"
            f" ({name}), the delay is {delay * 1000:g} ms"
        )


def _lone_and_full(target: Target) -> tuple[float, float]:
    """The seconds of one row, and of a whole batch, which has nobody to wait for.

    Where no single request is a whole batch: of one to a model that is not batched.
    """
    alone = Question("queued", request(tensor("iterations", "INT64", [1, 1], [1])))
    whole = alone if maximum_requests(target) else _column(maximum_rows(target), 0)
    lone, full = (one.ask(target).must_succeed().seconds for one in (_column(1, 0), whole))
    return lone, full


def _p95(seconds: list[float]) -> float:
    return quantiles(seconds, n=20)[-1]


@requirement("BATCH-005", kind="saturating")
def test_concurrent_callers_share_executions(target: Target) -> None:
    """An operator who pays for batching gets it."""
    questions = [_column(1, caller) for caller in range(CALLERS)]
    rows, ran = 0, 0
    for _ in range(CROWDS):
        *_, answers = bursts(target, questions)
        rows += len(answers)
        ran += len(executions(exchange.must_succeed() for _, exchange in answers))

    target.record("mean executed batch", f"{rows / ran:.1f} rows")
    assert rows > ran, f"{rows} rows, {CALLERS} at a time, were executed one by one"


@requirement("BATCH-006")
@pytest.mark.parametrize("batches", [1, 3])
def test_a_request_beyond_the_maximum_is_split_or_refused(target: Target, batches: int) -> None:
    """A client with too many rows gets all of them answered, or learns the limit."""
    if maximum_requests(target) is not None:
        raise NotApplicable("the target limits the requests of a batch, not their rows")
    most = maximum_rows(target)
    values = [float(row) for row in range(batches * most + 1)]
    exchange = witnessing(values).ask(target).must_answer_at_all()

    if exchange.status != 200:
        exchange.must_be_client_error()
        target.record("request beyond the maximum", "refused")
        return
    came = exchange.values("y")
    assert came == values, f"of {len(values)} rows {len(came)} came, not all of them right"
    _must_keep_maximum(exchange, most)
    target.record("request beyond the maximum", "split")
