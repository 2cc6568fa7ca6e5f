"""The tail under load: an open loop, at a share of what the server can do."""

from servespec.loading import LoadTest
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from .loaded import MODEL, must_keep, needs_the_extra, rate_of

TIMES = 10.0
MILLISECONDS = 100.0


@requirement("LOAD-009", kind="saturating", fixtures=[MODEL])
def test_the_tail_stays_within_a_multiple_of_the_median(
    target: Target, load_test: LoadTest
) -> None:
    """A service that calls a hundred of these waits for the slowest of them."""
    needs_the_extra()
    times = float(target.claim("load", "tail", TIMES))

    must_keep(target, load_test, rate_of(target), [f"p99/p50 < {times:g}"])


@requirement("LOAD-010", kind="saturating", fixtures=[MODEL])
def test_nearly_all_answers_come_in_real_time(target: Target, load_test: LoadTest) -> None:
    """A user who waits for a page does not notice that a model was asked."""
    needs_the_extra()
    most = float(target.claim("load", "answer_ms", MILLISECONDS))
    rate = float(target.claim("load", "rate", 0.0)) or rate_of(target)

    must_keep(target, load_test, rate, [f"{name} < {most:g}ms" for name in ("p95", "p99")])
