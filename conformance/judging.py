"""Judgements that several requirements share."""

from collections.abc import Callable, Sequence
from typing import Any

from servespec.target.exchange import Exchange
from servespec.target.target import Target

__all__ = ["admitted", "answered_together", "must_serve_or_refuse"]

BUSY = (429, 503)


def answered_together(
    target: Target, calls: Sequence[Callable[[], Exchange]]
) -> list[tuple[int, Exchange]]:
    """Make the calls, as many at a time as the target claims to bear: 16 unless it says.

    Returns the indices and answers of those that were `admitted`.
    """
    parallel = int(target.claim("overload", "concurrency", 16))
    rounds = (calls[first : first + parallel] for first in range(0, len(calls), parallel))
    return admitted([answer for calls in rounds for answer in target.rest.together(calls)])


def admitted(answers: Sequence[Exchange]) -> list[tuple[int, Exchange]]:
    """The indices and answers of those that were not refused as too many; there must be some.

    That refusal is 429 or 503 with the error object.
    """
    found = [
        (index, answer)
        for index, answer in enumerate(answers)
        if answer.status not in BUSY or not answer.error()
    ]
    assert found, f"all of {len(answers)} requests made together were refused"
    return found


def must_serve_or_refuse(
    target: Target, choice: str, exchange: Exchange, output: str, values: Sequence[Any]
) -> None:
    """FAIL unless the answer is a client error, or 200 with exactly these values.

    Which of the two is recorded as `choice`; a target that claims `refused` or `served` under that
    name is held to it.
    """
    served = exchange.must_not_crash().status == 200
    if served:
        found = exchange.values(output)
        assert found == list(values), f"answered {found}, not {list(values)}"
    else:
        exchange.must_be_client_error()
    variant = "served" if served else "refused"
    target.record(choice, variant)
    claimed = target.claim("oip-rest", choice, variant)
    assert variant == claimed, f"{choice}: claimed to be {claimed}, but {variant}"
