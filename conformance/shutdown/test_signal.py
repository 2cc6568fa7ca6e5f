"""SIGTERM: the server ends by itself, in time, with all that it started, and loses nothing."""

import signal
import time

import pytest

from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from .ending import ending, grace_seconds, must_be_answered, work_seconds

CLEAN = (0, 143, -signal.SIGTERM)
"""Codes of an orderly end: 143 is what a shell makes of the signal."""

INTERRUPTED = (0, 130, -signal.SIGINT)

STRAGGLERS = 1.0
"""Harness: seconds in which the other processes may follow the main one."""

CALLERS = 4


@requirement("K8S-TERM-001", name="exit")
def test_a_server_that_is_told_to_stop_stops_in_time(target: Target) -> None:
    """What is still there at the end of the grace period is killed in the middle of its work."""
    with ending(target) as server:
        server.terminate()
        end = server.instance.exit(grace_seconds(target))

    target.record("seconds from SIGTERM to the exit of an idle server", f"{end.seconds:.1f}")
    assert end.code in CLEAN, f"after SIGTERM the exit code is {end.code}, not 0"


@requirement("K8S-TERM-001", name="processes")
def test_a_server_takes_all_its_processes_along(target: Target) -> None:
    """Where nobody else clears up, an orphan keeps its port, its memory and its GPU."""
    with ending(target) as server:
        server.terminate()
        server.instance.exit(grace_seconds(target))
        deadline = time.monotonic() + STRAGGLERS
        while (left := server.instance.processes()) and time.monotonic() < deadline:
            time.sleep(0.02)

        count = len(left)
        assert not left, f"{count} of its processes still run {STRAGGLERS:g} s after its exit"


@requirement("K8S-TERM-011", name="again")
def test_a_second_sigterm_changes_nothing(target: Target) -> None:
    """Orchestrators and operators send it twice; the work in flight is worth as much as before."""
    seconds = work_seconds(target, CALLERS)
    with ending(target) as server, server.holding(seconds, CALLERS) as held:
        server.terminate()
        time.sleep(seconds / 4)
        server.instance.signal(signal.SIGTERM)

        must_be_answered(held.answers(grace_seconds(target)), held.expected)
        code = server.instance.exit(grace_seconds(target)).code
        assert code in CLEAN, f"after two SIGTERM the exit code is {code}, not 0"


@requirement("K8S-TERM-011", name="interrupt")
def test_sigint_is_as_gentle_as_sigterm(target: Target) -> None:
    """Control and C in a terminal, and some supervisors, send it."""
    with ending(target) as server:
        with server.holding(work_seconds(target, CALLERS), CALLERS) as held:
            server.terminate(signal.SIGINT)

            must_be_answered(held.answers(grace_seconds(target)), held.expected)
        code = server.instance.exit(grace_seconds(target)).code
        assert code in INTERRUPTED, f"after SIGINT the exit code is {code}, not 0 or 130"


@requirement("K8S-TERM-009")
@pytest.mark.timeout(180)  # as long as a grace period
def test_who_waits_longer_than_the_grace_is_told(target: Target) -> None:
    """A client that gets an error can ask another replica; one that gets silence waits."""
    grace = grace_seconds(target)
    with ending(target) as server, server.holding(2 * grace) as held:
        server.terminate()
        (answer,) = held.answers(grace + 1)

        answer.must_answer_at_all()
        assert answer.status >= 400, f"it was answered {answer.status} after {answer.seconds:.1f} s"
        server.instance.exit(grace)
