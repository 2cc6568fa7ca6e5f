"""Requests for more memory than there is, beside a model that needs hardly any."""

from servespec.target.exchange import Exchange
from servespec.target.outcomes import Untestable
from servespec.target.target import Target
from servespec.target.traffic import Outcome, constant, driving
from servespec.verdicts.requirement import requirement

from ..questions import SECONDS, witnessing
from ..strategies import request, tensor
from .surge import echoing

RATE, LASTS = 50.0, 2.0
"""What a neighbour model is asked."""
SMALL, LARGE = 0.25, 2.0
"""Requests in times of the memory."""
TIMES = 3


@requirement("GUIDE-006", kind="may-kill")
def test_what_does_not_fit_into_memory_is_refused_and_harms_nobody(target: Target) -> None:
    """A user of one model is served while somebody asks too much of another."""
    limit = target.claim("overload", "memory_bytes")
    if limit is None:
        raise Untestable("the target file does not say memory_bytes under [claims.overload]")
    megabytes = int(limit) >> 20
    with target.fresh("ballast", "witness", harmed=True) as instance:
        own = instance.target
        _holding(own, SMALL * megabytes).must_succeed()
        neighbour = echoing(own, lambda index: witnessing([float(index)]))
        with driving(own.rest, constant(RATE, LASTS), neighbour) as traffic:
            refused = [_holding(own, LARGE * megabytes) for _ in range(TIMES)]
        for exchange in refused:
            _must_be_refused(exchange, limit)
        missed = [row for row in traffic.ledger.rows if row.outcome is not Outcome.ANSWERED]
        assert not missed, f"a neighbour is not answered: {missed[0].outcome}, {missed[0].detail}"
        _holding(own, SMALL * megabytes).must_succeed()
    target.record("status of what does not fit", refused[0].status)


def _holding(target: Target, megabytes: float) -> Exchange:
    x = tensor("megabytes", "INT64", [1, 1], [int(megabytes)])
    return target.rest.infer("ballast", request(x), timeout=SECONDS)


def _must_be_refused(exchange: Exchange, limit: int) -> None:
    status = exchange.must_answer_at_all().status
    assert status >= 400, (
        f"a request for {LARGE:g} times {limit >> 20} MiB of memory is answered {status}"
    )
    assert exchange.error(), "the refusal says nothing"
