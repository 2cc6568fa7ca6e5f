"""Clients that abort: nobody works for them any longer, and nothing of theirs is kept."""

import time

from servespec.target.instance import Instance
from servespec.target.procfs import resident_bytes
from servespec.target.target import Target
from servespec.target.traffic import open_burst
from servespec.verdicts.requirement import requirement

from ..strategies import SCALAR, request
from .waiting import SETTLE, jam

SENT = 4 << 20
"""Bytes of a body of which as much is still to come."""
FEW, MANY = 8, 64
KEPT = 0.25
"""Binding: the share of what aborted clients have sent that may be kept; a heap is never even."""


@requirement("HTTP-018", name="queue", kind="saturating", fixtures=["queued"])
def test_nobody_works_for_clients_that_have_aborted(target: Target) -> None:
    """A client does not wait for the answers to those who have hung up."""
    with jam(target) as ahead:
        messages = [question.message(target) for question in ahead.leavers()]
        with open_burst(target.rest, messages) as pending:
            time.sleep(SETTLE)
            for one in pending:
                one.abandon(reset=True)
            ahead.must_pass_over()


@requirement("HTTP-018", name="memory", kind="may-kill")
def test_nothing_is_kept_of_bodies_that_were_never_finished(target: Target) -> None:
    """An operator's server does not grow with the number of clients that break off."""
    with target.fresh("identity_fp32") as instance:
        _abort(instance, FEW)
        before = _resident(instance)
        _abort(instance, MANY)
        grown = _resident(instance) - before
        instance.target.rest.infer("identity_fp32", request(SCALAR)).must_succeed()

    target.record("grown", f"{grown / 2**20:.0f} MiB")
    assert grown < KEPT * MANY * SENT, (
        f"{MANY} clients broke off after {SENT >> 20} MiB each, and the server has grown by"
        f" {grown / 2**20:.0f} MiB"
    )


def _abort(instance: Instance, clients: int) -> None:
    """So many clients at once break off in the middle of a body."""
    rest = instance.target.rest
    fields = ("Content-Type: application/json", f"Content-Length: {2 * SENT}")
    head = rest.head("POST", rest.infer_path("identity_fp32"), *fields)
    for _ in range(clients):
        with open_burst(rest, [head + b" " * SENT]) as (one,):
            one.begins(SETTLE / 10)  # sends the rest of it
            one.abandon(reset=True)
    time.sleep(SETTLE)


def _resident(instance: Instance) -> int:
    return sum(resident_bytes(process.pid) for process in instance.processes())
