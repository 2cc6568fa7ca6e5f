"""Callers at the same moment, and what `witness` tells of the executions that they shared."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from servespec.target.exchange import Exchange
from servespec.target.outcomes import Untestable
from servespec.target.target import Target
from servespec.target.traffic import burst, must_be_close

from ..judging import admitted
from ..strategies import request, tensor

__all__ = [
    "CALLERS",
    "Question",
    "bursts",
    "delay_seconds",
    "executions",
    "full_house",
    "maximum_requests",
    "maximum_rows",
    "spin_of",
    "spinning",
    "witnessing",
]

CALLERS = 32
"""How many ask at once where the requirement names no number."""
BURSTS = 3
SECONDS = 20.0
CALIBRATION = 200  # iterations of spin: some 20 ms


@dataclass(frozen=True, slots=True)
class Question:
    """An inference that can be asked alone, or as one of many at the same moment."""

    fixture: str
    body: Mapping[str, Any]
    version: str | None = None

    def ask(self, target: Target) -> Exchange:
        """Asks it by itself."""
        body, version = self.body, self.version
        return target.rest.infer(self.fixture, body, version=version, timeout=SECONDS)

    def message(self, target: Target) -> bytes:
        """The whole request as bytes."""
        return target.rest.message(self.fixture, self.body, version=self.version)


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


def witnessing(values: Sequence[float], **more: Any) -> Question:
    """Asks `witness` for a row of each value."""
    return Question("witness", request(tensor("x", "FP32", [len(values), 1], values), **more))


def spinning(iterations: int, rows: int = 1) -> Question:
    """Asks `spin` for so many iterations: the execution of any number of rows takes as long."""
    data = [iterations] * rows
    return Question("spin", request(tensor("iterations", "INT64", [rows, 1], data)))


def spin_of(target: Target, seconds: float) -> int:
    """How many iterations of `spin` take so long on the target, measured now.

    The shortest of a few times is the one that nothing else disturbed.
    """
    idle, busy = (
        min(spinning(count).ask(target).must_succeed().seconds for _ in range(7))
        for count in (0, CALIBRATION)
    )
    return max(1, round(seconds * CALIBRATION / max(busy - idle, 1e-3)))
