"""A model update that is slower: whether an alert on the server's own metrics tells."""

import time
from pathlib import Path

import numpy as np

from servespec.target.drive import driving
from servespec.target.evidence import Evidence
from servespec.target.ledger import Ledger, Outcome
from servespec.target.outcomes import Inconclusive, Invalid, Nonconformance, Untestable
from servespec.target.schedules import constant
from servespec.target.target import Target
from servespec.target.traffic import Question
from servespec.verdicts.requirement import requirement

from ..comparing.alert import BEFORE_SECONDS, FEWEST, FOR_SECONDS, WINDOW_SECONDS, rules
from .alerting import LOOK_SECONDS, History, must_tell, needs_promtool
from .loaded import MODEL, computing_of, rate_of, seconds_of
from .machine import company

OLD, NEW = 2.0, 2.4
"""Of the work of other load tests: beside it, what a server takes itself is little."""
SHARE = 0.25
"""Of their rate: what waits would blur the difference."""
WINDOW, BEFORE, HELD = (
    seconds // LOOK_SECONDS for seconds in (WINDOW_SECONDS, BEFORE_SECONDS, FOR_SECONDS)
)
UPDATE = WINDOW + BEFORE + HELD + 2
"""The number of the look from which on the model is slower; the alert could have fired by then."""
LOOKS = UPDATE + WINDOW + HELD + 7
SHORT = 40
"""A look is so many times shorter than other loads."""
PLENTY = 1.2 * FEWEST
"""Requests in a window."""
CONNECTIONS = 16
ANSWERED = 0.99
ATTEMPTS = 3
"""Where a machine of changing speed hides the update, or feigns one before it."""


@requirement("LOAD-015", kind="saturating", fixtures=[MODEL])
def test_an_update_that_takes_a_fifth_longer_fires_the_alert(
    target: Target, tmp_path: Path
) -> None:
    """An operator learns of a slower model from the server's metrics, and of no other."""
    needs_promtool()
    target.note(Evidence("the rule", "", rules(target.metrics), "servespec alert --target FILE"))
    rate = SHARE * rate_of(target)
    every = max(seconds_of(target) / SHORT, PLENTY / (WINDOW * rate))
    for attempt in range(1, ATTEMPTS):
        try:
            _must_fire(target, tmp_path, rate, every)
        except (Inconclusive, Invalid) as error:
            target.record(f"attempt {attempt}", str(error))
        else:
            return
    _must_fire(target, tmp_path, rate, every)


def _must_fire(target: Target, folder: Path, rate: float, every: float) -> None:
    history = History(target.metrics, target.fixture(MODEL).model)
    with company(target) as others:
        waits = _updated(target, history, rate, every)
    early = history.fired(folder, 0, UPDATE)
    fired = history.fired(folder, UPDATE, LOOKS)
    feigned, slower = waits.feigned(), waits.median(UPDATE, LOOKS) / waits.median(0, UPDATE)
    seen = f"{feigned:.2f} times at most before the update, {slower:.2f} times after it"
    target.record("as long for clients", seen)
    target.record("the alert fired", f"{early} before the update, {fired} after it")
    with others.judging():
        must_tell(early=early, fired=fired, feigned=feigned, slower=slower)


def _updated(target: Target, history: History, rate: float, every: float) -> "_Waits":
    """Ask all the time, and look."""
    old, new = computing_of(target, OLD), computing_of(target, NEW)
    schedule = constant(rate, LOOKS * every)

    def question(number: int) -> Question:
        return (old if schedule[number] < UPDATE * every else new)(number)

    with driving(target.rest, schedule, question, connections=CONNECTIONS) as driven:
        began = time.monotonic()
        for number in range(LOOKS + 1):
            time.sleep(max(0.0, began + number * every - time.monotonic()))
            _look(target, history)
        late = time.monotonic() - began - LOOKS * every
    if late > every:
        raise Invalid(f"the last look at the metrics was {late:.1f} s late")
    return _Waits(driven.ledger, every)


def _look(target: Target, history: History) -> None:
    try:
        history.look(target.scrape().must_succeed().body.decode())
    except ValueError as error:
        raise Nonconformance(f"the metrics cannot be read: {error}") from None
    if not history.has_buckets:
        name = target.metrics.request_seconds
        raise Untestable(f"no alert can be written: the metrics have no histogram {name}")


class _Waits:
    """How long clients waited for an answer, by the look at which they asked."""

    def __init__(self, ledger: Ledger, every: float) -> None:
        answered = [row for row in ledger.rows if row.outcome is Outcome.ANSWERED]
        if len(answered) < ANSWERED * len(ledger.rows):
            raise Invalid(f"{len(answered)} of {len(ledger.rows)} requests were answered")
        self._asked = np.array([row.intended / every for row in answered])
        self._taken = np.array([row.done - row.dispatched for row in answered])

    def median(self, since: int, until: int) -> float:
        """Of those who asked from one look to another."""
        asked = (since <= self._asked) & (self._asked < until)
        return float(np.median(self._taken[asked]))

    def feigned(self) -> float:
        """How many times as long they waited at most as the rule's time before, with no update."""
        ends = range(WINDOW + BEFORE, UPDATE + 1)
        return max(
            self.median(end - WINDOW, end) / self.median(end - WINDOW - BEFORE, end - BEFORE)
            for end in ends
        )
