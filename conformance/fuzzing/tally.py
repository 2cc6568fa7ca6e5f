"""What the server made of the requests: counts by status, and what must not have been."""

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

__all__ = ["ROUND", "Failure", "Tally", "refusal_is_clean"]

ROUND = 500
"""Requests that are made from one seed."""
_FAILURES = 10
_LEAKS = (b"Traceback", b"onnxruntime", b"site-packages", b'File "')


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer that must not be; the same part, seed and count bring it about again."""

    part: str
    seed: int
    sentence: str
    request: bytes


@dataclass(slots=True)
class Tally:
    """The counts of a run, and when it has to end.

    Attributes:
        deadline: by `time.monotonic`.
        statuses: how often each part saw each status.
    """

    deadline: float
    statuses: dict[str, Counter[str]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    _rounds: Counter[str] = field(default_factory=Counter)

    @property
    def over(self) -> bool:
        """Whether there is no time left, or enough is wrong."""
        return len(self.failures) >= _FAILURES or time.monotonic() > self.deadline

    def asked(self, part: str) -> int:
        """How many requests a part has made."""
        return self.statuses.setdefault(part, Counter()).total()

    def count(self, part: str, status: str) -> None:
        """A request has had its answer."""
        self.statuses.setdefault(part, Counter())[status] += 1

    def fill(
        self,
        part: str,
        wanted: int,
        strategy: st.SearchStrategy[Any],
        shoot: Callable[[Any], str],
        *,
        first: int,
        after: Callable[[], None],
    ) -> None:
        """Draw values and shoot them, round after round with a seed each, until `wanted` were.

        Args:
            part: what they are counted as.
            wanted: the count.
            strategy: what is drawn.
            shoot: returns the status of the answer; an AssertionError: it must not be so.
            first: the seed of the part's first round.
            after: what has to hold at the end of each round.
        """
        while self.asked(part) < wanted and not self.over:
            number = first + self._rounds[part]
            self._rounds[part] += 1
            count = min(ROUND, wanted - self.asked(part))
            self._round(part, count, number, strategy, shoot)
            self._must(part, number, after)

    def _must(self, part: str, number: int, hold: Callable[[], None]) -> None:
        try:
            hold()
        except AssertionError as error:
            self.failures.append(Failure(part, number, str(error), b""))

    def _round(
        self,
        part: str,
        count: int,
        number: int,
        strategy: st.SearchStrategy[Any],
        shoot: Callable[[Any], str],
    ) -> None:
        end = self.asked(part) + count

        @seed(number)
        @settings(
            max_examples=count,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(strategy)
        def shots(value: Any) -> None:
            if self.over or self.asked(part) >= end:
                return
            try:
                status = shoot(value)
            except AssertionError as error:
                status = "wrong"
                sent = repr(value).encode(errors="replace")
                self.failures.append(Failure(part, number, str(error), sent))
            self.count(part, status)

        shots()


def refusal_is_clean(status: int, body: bytes) -> None:
    """FAIL unless a 4xx has the error object, and tells nothing of the machine."""
    try:
        text = json.loads(body)["error"]
    except (ValueError, LookupError, TypeError):
        text = None
    assert isinstance(text, str), f"{status} without the error object: {body[:200]!r}"
    assert not any(leak in body for leak in _LEAKS), f"{status} tells too much: {body[:500]!r}"
