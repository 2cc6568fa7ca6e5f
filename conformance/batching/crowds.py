"""Callers at the same moment, and what `witness` tells of the executions that they shared."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from servespec.target.exchange import Exchange
from servespec.target.outcomes import Untestable
from servespec.target.target import Target
from servespec.target.traffic import burst, must_be_close

from ..judging import admitted
from ..questions import SECONDS, Question

__all__ = [
    "CALLERS",
    "bursts",
    "delay_seconds",
    "executions",
    "full_house",
    "maximum_requests",
    "maximum_rows",
]

CALLERS = 32
"""How many ask at once where the requirement names no number."""
BURSTS = 3


def maximum_rows(target: Target) -> int:
    """The largest batch that the target says it executes."""
    return int(_claimed(target, "max_rows"))


def maximum_requests(target: Target) -> int | None:
    """The most requests of a batch, for a target that counts those and not their rows."""
    claimed = target.claim("batching", "max_requests")
    return None if claimed is None else int(claimed)


def full_house(target: Target) -> int:
    """How many callers of one row each fill a batch."""
    return maximum_requests(target) or maximum_rows(target)


def delay_seconds(target: Target) -> float:
    """How long the target says that a request waits for company."""
    return float(_claimed(target, "delay_ms")) / 1000


def _claimed(target: Target, key: str) -> Any:
    value = target.claim("batching", key)
    if value is None:
        raise Untestable(f"the target file does not say {key} under [claims.batching]")
    return value


def bursts(
    target: Target, questions: Sequence[Question]
) -> Iterator[Sequence[tuple[Question, Exchange]]]:
    """Asks all questions at once; again, up to three times, while they left too far apart.

    Each burst is to be judged: what is wrong in one that was spread is wrong all the same. Those
    who were refused as too many (429, 503) are left out.

    Raises:
        Invalid: no burst was close enough for the claimed delay.
    """
    delay = delay_seconds(target)
    messages = [question.message(target) for question in questions]
    for number in range(1, BURSTS + 1):
        volley = burst(target.rest, messages, timeout=SECONDS)
        target.record(f"spread of burst {number}", f"{volley.spread * 1000:.1f} ms")
        yield [(questions[index], exchange) for index, exchange in admitted(volley.exchanges)]
        if not delay or volley.spread <= delay / 2:  # without a delay there is no "close enough"
            return
    must_be_close(volley, delay)


def executions(answers: Iterable[Exchange]) -> Mapping[float, int]:
    """The executions that answers of `witness` tell of: their rows by their nonce."""
    found: dict[float, int] = {}
    for exchange in answers:
        columns = (exchange.array(name).ravel().tolist() for name in ("nonce", "batch"))
        found.update(zip(*columns, strict=True))
    return found
