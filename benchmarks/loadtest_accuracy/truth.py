"""What a run should have reported, from the server's log of that same run.

Truth is what a caller would have seen who asked exactly at the moments that the generator was told
to ask at, of the server as it was in that run: which held the requests as long as its log says, and
answered nothing while it stalled. A caller whose moment lies in the stall waits for its end, too.

So counted, both faults of a generator show as its error. What it sent late it may not put down to
the server: the lateness is in its report, not in the truth. And what it did not send because it
waited for answers (coordinated omission) is in the truth, not in its report: the moment of a
request that never came saw the stall just as well, and is given what others were held. That no
request depends on another one makes this exact, see `planted`.

The moments lie evenly, as often as the generator was told, from its first request to its last. One
that keeps no rate (wrk) stands for callers who come as often as it asked while nothing stalled.
Where a request does not show its number, the log's order of arrival says which it is.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["Log", "response_seconds"]


@dataclass(frozen=True, slots=True)
class Log:
    """What the server wrote, in the order of arrival; moments on the monotonic clock.

    Attributes:
        numbers: from X-Request-Id; -1 where there was none.
        arrived: when each request was complete.
        answered: when its answer was written; NaN where none was.
        hangs: which of them were to have no answer. The others without one were given up by the
            generator when it stopped, and say nothing.
        stall: begin and end of the time without answers; infinite without one.
    """

    numbers: np.ndarray
    arrived: np.ndarray
    answered: np.ndarray
    hangs: np.ndarray
    stall: tuple[float, float]

    @classmethod
    def read(cls, path: Path) -> "Log":
        """Read what `planted` wrote."""
        with np.load(path) as columns:
            begin, end = columns["stall"].tolist()
            return cls(
                numbers=columns["numbers"],
                arrived=columns["arrived"],
                answered=columns["answered"],
                hangs=columns["hangs"],
                stall=(begin, end),
            )

    def held_seconds(self) -> np.ndarray:
        """How long requests were held by themselves: their time less what the stall added."""
        begin, end = self.stall
        within = (self.arrived >= begin) & (self.arrived < end)
        held = self.answered - np.where(within, end, self.arrived)
        held[self.hangs] = np.inf
        caught = (self.arrived < begin) & (self.answered >= begin)
        return np.asarray(held[~np.isnan(held) & ~caught])

    def span(self) -> float:
        """Seconds from the first request to the last."""
        return float(self.arrived[-1] - self.arrived[0])

    def rate(self) -> float:
        """Requests a second before the stall, or in the whole run."""
        calm = self.arrived[self.arrived < self.stall[0]]
        return float(len(calm) / (calm[-1] - calm[0]))


def response_seconds(log: Log, offsets: np.ndarray) -> np.ndarray:
    """What a caller on time would have seen; infinite where there was no answer.

    Args:
        log: of the run.
        offsets: when each request was to be sent, in seconds from the first.
    """
    begin, end = log.stall
    moments = log.arrived[0] + offsets - offsets[0]
    held = np.resize(log.held_seconds(), len(moments))
    within = (moments >= begin) & (moments < end)
    caught = (moments < begin) & (moments + held >= begin) & np.isfinite(held)
    seen = np.where(within, end - moments + held, held)
    return np.where(caught, np.maximum(held, end - moments), seen)
