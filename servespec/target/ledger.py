"""What became of every single request of a drive: the raw material of verdicts on traffic."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from .outcomes import Untestable

__all__ = ["Ledger", "Outcome", "Row"]


class Outcome(StrEnum):
    """What became of a request."""

    ANSWERED = "answered"
    """Once, with the answer that was this caller's."""
    REFUSED = "refused"
    """The target said that it takes no work now: 429 or 503."""
    FAILED = "failed"
    """Another status, an answer that cannot be read, or no connection to send it on."""
    LOST = "lost"
    """It was sent, and no complete answer came."""
    DOUBLED = "doubled"
    """It was answered more than once."""
    CROSSED = "crossed"
    """It got an answer that was not this caller's."""


@dataclass(frozen=True, slots=True)
class Row:
    """One request. Times are seconds since the drive began, NaN for what did not happen.

    Attributes:
        id: the caller's name of it.
        intended: when the schedule wanted it.
        dispatched: when a connection was found for it, or began to be opened. What lies between
            is the generator's own lateness.
        sent: when its bytes went to the connection.
        done: when the answer was complete, or it was known that none would be.
        status: of the answer; 0 where none came.
        version: the model version that the answer names; "" where it names none.
        detail: why the outcome is not ANSWERED.
    """

    id: str
    intended: float
    dispatched: float
    sent: float
    done: float
    status: int
    version: str
    outcome: Outcome
    detail: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """All requests of a drive, in the order of the schedule.

    Attributes:
        started: when the drive began, by `time.monotonic`.
    """

    rows: tuple[Row, ...]
    started: float

    def counts(self) -> Mapping[Outcome, int]:
        """How many requests had each outcome, those that none had included."""
        seen = Counter(row.outcome for row in self.rows)
        return {outcome: seen[outcome] for outcome in Outcome}

    def answers_a_second(self, callers: int) -> float:
        """How many came while so many callers asked again as soon as they were answered.

        The first of each caller are left out: nobody was answered before them.

        Raises:
            Untestable: a request was not answered, so that this is not what the target can do.
        """
        missed = [row for row in self.rows if row.outcome is not Outcome.ANSWERED]
        if missed:
            raise Untestable(
                f"{callers} at a time, {len(missed)} of {len(self.rows)} requests are not answered:"
                f" {missed[0].detail}"
            )
        done = sorted(row.done for row in self.rows)[callers:]
        return (len(done) - 1) / (done[-1] - done[0])

    def to_frame(self) -> Any:
        """The rows as a pandas data frame; needs the extra `load`."""
        import pandas

        return pandas.DataFrame(map(asdict, self.rows), columns=list(Row.__slots__))

    def write_parquet(self, path: Path) -> None:
        """Write the rows as a Parquet file; needs the extra `load`."""
        self.to_frame().to_parquet(path, engine="pyarrow", index=False)
