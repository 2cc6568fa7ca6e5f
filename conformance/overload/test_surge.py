"""Twice as many requests as the server can answer: what becomes of these, and what comes after."""

from functools import partial
from statistics import mean, median

from servespec.target.outcomes import Invalid, NotApplicable, Untestable
from servespec.target.target import Target
from servespec.target.traffic import Outcome, Row
from servespec.verdicts.requirement import requirement

from .surge import Work, work_of
from .timing import Block, measured, must_take_at_most, seconds_of

EXCESS = 2.0
"""Times the capacity."""
SECONDS = 2.5
SLICES = 5
"""Blocks into which a surge is cut to compare it with the capacity before and after each."""
BLOCKS = 3
"""Surges of which the middle one is judged: one hiccup of the machine is in one of them only."""
GOODPUT = 0.7
"""Binding: of the capacity, unless claimed otherwise."""
REFUSAL_SECONDS = 0.1
"""Binding, unless claimed otherwise."""
RECOVERY_SECONDS = 5.0
"""Binding, unless claimed otherwise."""
QUIET = 0.4
"""Of the capacity: nobody waits for anybody."""
QUIET_SECONDS = 1.2
NORMAL, LATE = 2.0, 0.02
"""Harness: latency is normal again up to so many times that before, and so many seconds."""
FASTER = 1.5
"""Harness: so much more than the capacity is never answered, unless that was measured wrongly."""


@requirement("LOAD-003", kind="saturating", fixtures=["queued"])
def test_latency_is_normal_again_soon_after_a_surge(target: Target) -> None:
    """Clients that come after the rush do not pay for it."""
    measured(target, partial(_must_recover, target))


def _must_recover(target: Target) -> None:
    work = work_of(target)
    normal = work.offered(QUIET, QUIET_SECONDS).rows
    surge = work.offered(EXCESS, SECONDS)
    limit = float(target.claim("overload", "recovery_seconds", RECOVERY_SECONDS))
    after = work.offered(QUIET, limit + QUIET_SECONDS)
    over = surge.ledger.started + SECONDS - after.ledger.started
    recovered = [row for row in after.rows if row.intended >= over + limit]
    missed = [row for row in recovered if row.outcome is not Outcome.ANSWERED]
    if missed and work.again().rate < FASTER * QUIET * work.rate:
        raise Invalid("the machine became slower while the server was measured")

    assert not missed, (
        f"{limit:g} s after a surge, {len(missed)} of {len(recovered)} requests at {QUIET:.0%} of"
        f" the capacity are not answered: {missed[0].detail}"
    )
    for percent in (50, 75):  # of two dozen: a moment of somebody else's work is no more of them
        bound = NORMAL * seconds_of(normal, percent)[0] + LATE
        must_take_at_most(
            target, bound, after, recovered, "the answers after a surge", percent=percent
        )


@requirement("LOAD-001", name="goodput", kind="saturating", fixtures=["queued"])
def test_past_its_capacity_the_server_answers_as_much_as_before(target: Target) -> None:
    """A rush of clients costs some of them their answers, not all of them."""
    measured(target, partial(_must_keep_goodput, target))


def _must_keep_goodput(target: Target) -> None:
    work = work_of(target)
    rates, goodputs, shares = [work.rate], [], []
    for _ in range(SLICES):  # capacity and goodput in turn, so that both see the same machine
        block = work.offered(EXCESS, SECONDS / SLICES)
        _must_answer_or_refuse(block)
        work = work.again()
        rates.append(work.rate)
        goodputs.append(_goodput(block))
        shares.append(goodputs[-1] / mean(rates[-2:]))
    wanted, share = float(target.claim("overload", "goodput", GOODPUT)), median(shares)
    target.record("goodput, of the capacity", f"{share:.0%}")
    if share < wanted and median(goodputs) >= wanted * min(rates):
        spread = f"from {min(rates):.0f} to {max(rates):.0f}"
        raise Invalid(f"the machine is not steady: its capacity was {spread} answers a second")

    assert share >= wanted, (
        f"at {EXCESS:g} times its capacity of {mean(rates):.0f} answers a second the server gives"
        f" {median(goodputs):.0f}: {share:.0%} of it, not {wanted:.0%}"
    )


def _goodput(block: Block) -> float:
    """Answers a second, until the last one."""
    lasted = max(SECONDS / SLICES, *(row.done for row in block.rows))
    return len(block.of(Outcome.ANSWERED)) / lasted


@requirement("LOAD-001", name="refused", kind="saturating", fixtures=["queued"])
def test_what_is_too_much_is_refused_and_does_not_pile_up(target: Target) -> None:
    """A client that cannot be served in time is told so, and does not wait behind a thousand."""
    measured(target, partial(_must_refuse_the_excess, target))


def _must_refuse_the_excess(target: Target) -> None:
    work = work_of(target)
    block = work.offered(EXCESS, SECONDS)
    _must_answer_or_refuse(block)
    answered = block.of(Outcome.ANSWERED)
    _must_have_been_too_much(work, answered)

    assert block.of(Outcome.REFUSED), (
        f"at {EXCESS:g} times the capacity for {SECONDS:g} s nothing is refused: who came last"
        f" waited {answered[-1].done - answered[-1].intended:.1f} s"
    )
    # Of a queue without bound the last ones wait as long as the surge has lasted.
    must_take_at_most(target, SECONDS / 2, block, answered, "the answers", percent=100)


def _must_answer_or_refuse(block: Block) -> None:
    settled = (Outcome.ANSWERED, Outcome.REFUSED, Outcome.CROSSED)  # that is for LOAD-005 to judge
    others = [row for row in block.rows if row.outcome not in settled]
    if others:
        first = others[0]
        raise AssertionError(
            f"{len(others)} of {len(block.rows)} requests are neither answered nor refused; the"
            f" first is {first.outcome}: {first.detail}"
        )


def _must_have_been_too_much(work: Work, answered: list[Row]) -> None:
    """Raise Invalid when the capacity was measured while something disturbed the server."""
    rate = sum(row.done <= SECONDS for row in answered) / SECONDS
    if rate > FASTER * work.rate:
        raise Invalid(f"{rate:.0f} answers a second came, the capacity was {work.rate:.0f}")


@requirement("LOAD-002", kind="saturating", fixtures=["queued"])
def test_refusals_are_fast(target: Target) -> None:
    """A client that is refused has its time left to ask another server."""
    measured(target, partial(_must_refuse_fast, target))


def _must_refuse_fast(target: Target) -> None:
    work = work_of(target)
    blocks = [work.offered(EXCESS, SECONDS / BLOCKS) for _ in range(BLOCKS)]
    refusing = [block for block in blocks if block.of(Outcome.REFUSED)]
    if not refusing:
        raise NotApplicable("nothing is refused")
    refusing.sort(key=lambda block: seconds_of(block.of(Outcome.REFUSED), 99))
    typical = refusing[len(refusing) // 2]
    bound = float(target.claim("overload", "refusal_seconds", REFUSAL_SECONDS))

    must_take_at_most(
        target, bound, typical, typical.of(Outcome.REFUSED), "the refusals", percent=99
    )


@requirement("LOAD-005", kind="saturating", fixtures=["queued"])
def test_under_overload_each_caller_gets_its_own_answer(target: Target) -> None:
    """A client in the rush gets its own answer, or none."""
    block = work_of(target).offered(EXCESS, SECONDS)
    counts = block.ledger.counts()
    if not counts[Outcome.ANSWERED]:
        raise Untestable("nothing is answered")

    for outcome in (Outcome.CROSSED, Outcome.DOUBLED):
        wrong = block.of(outcome)
        assert not wrong, f"{len(wrong)} answers are {outcome}: {wrong[0].detail}"
    unread = [row for row in block.of(Outcome.FAILED) if row.status == 200]
    assert not unread, f"{len(unread)} answers are wrong: {unread[0].detail}"
