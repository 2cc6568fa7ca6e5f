"""Requests for more memory than there is, beside a model that needs hardly any."""

from servespec.fixtures import HEAVY_BYTES
from servespec.target.exchange import Exchange
from servespec.target.outcomes import Untestable
from servespec.target.target import Target
from servespec.target.traffic import Outcome, constant, driving
from servespec.verdicts.requirement import requirement

from ..probes.loading import answers_until_settled
from ..questions import SECONDS, witnessing
from ..strategies import SCALAR, request, tensor
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
            _must_be_refused(exchange, f"a request for {LARGE:g} times {megabytes} MiB of memory")
        missed = [row for row in traffic.ledger.rows if row.outcome is not Outcome.ANSWERED]
        assert not missed, f"a neighbour is not answered: {missed[0].outcome}, {missed[0].detail}"
        _holding(own, SMALL * megabytes).must_succeed()
    target.record("status of what does not fit", refused[0].status)


@requirement("GUIDE-009", kind="may-kill")
def test_a_model_that_does_not_fit_into_memory_is_not_loaded_and_harms_nobody(
    target: Target,
) -> None:
    """Who deploys too large a model loses that model, not the server of all the others."""
    limit = target.claim("overload", "memory_bytes")
    if limit is None:
        raise Untestable("the target file does not say memory_bytes under [claims.overload]")
    if limit >= HEAVY_BYTES:
        raise Untestable(f"the fixture `heavy` has {HEAVY_BYTES} bytes; {limit} are claimed")
    with target.fresh("heavy", "witness", ready=False, harmed=True) as instance:
        rest = instance.target.rest
        seen = answers_until_settled(instance, lambda: witnessing([1.0]).ask(instance.target))
        assert not (why := instance.alive()), f"the server ends: {why}"
        heavy = rest.infer("heavy", request(SCALAR), timeout=SECONDS)
        ready = rest.get(f"{rest.model_path('heavy')}/ready")
    assert seen, "nothing is answered"
    assert seen[-1].must_answer_at_all().status == 200, "the neighbour is not served"
    assert ready.must_answer_at_all().status != 200, "the model that does not fit is ready"
    _must_be_refused(heavy, "an inference of the model that does not fit")


def _holding(target: Target, megabytes: float) -> Exchange:
    x = tensor("megabytes", "INT64", [1, 1], [int(megabytes)])
    return target.rest.infer("ballast", request(x), timeout=SECONDS)


def _must_be_refused(exchange: Exchange, what: str) -> None:
    status = exchange.must_answer_at_all().status
    assert status >= 400, f"{what} is answered {status}"
    assert exchange.error(), "the refusal says nothing"
