"""The request counters: what was asked, by model, version and outcome, and nothing else."""

from collections.abc import Callable, Sequence

from grpc import StatusCode

from servespec.target.exchange import Exchange
from servespec.target.outcomes import NotApplicable, Untestable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..grpc.messages import fp32
from ..strategies import SCALAR, request, tensor
from .exposition import Sample, Series
from .scraping import must_rise_by

GOOD, WRONG, RAISING = 7, 5, 3
"""How many are asked of each kind: no number is the sum of others."""


@requirement("MET-010", name="rest", fixtures=["identity_fp32", "fail"])
def test_every_inference_over_rest_is_counted_once(target: Target) -> None:
    """An operator's request rate is that of the clients, and so is the share of errors."""
    good = _counted(target, "identity_fp32", GOOD, lambda: _good(target))
    failed = _failures(target, RAISING, "failing requests", lambda: _raising(target))

    _must_differ(target, good, failed, "requests that succeed", "those that fail")


@requirement("MET-010", name="grpc", fixtures=["identity_fp32", "fail"])
def test_every_inference_over_grpc_is_counted_once(target: Target) -> None:
    """A server has no plane on which its work is not seen."""
    target.fixture("fail")
    good = _counted(target, "identity_fp32", GOOD, lambda: _good_call(target))
    failed = _failures(target, RAISING, "failing calls", lambda: _raising_call(target))

    _must_differ(target, good, failed, "calls that succeed", "those that fail")


def _counted(target: Target, fixture: str, count: int, ask: Callable[[], None]) -> list[Series]:
    """The series that count successes of a model, without the labels of model and version."""

    def ask_all() -> None:
        for _ in range(count):
            ask()

    what = f"inferences of {fixture}"
    risen = must_rise_by(target, count, what, ask_all, target.metrics.requests)
    for sample in risen:
        versioned = sample.label(target.metrics.version_label)
        assert versioned, f"{sample} does not say which version it counts"
    return _labelled(target, fixture, risen)


def _failures(target: Target, count: int, what: str, ask: Callable[[], None]) -> list[Series]:
    """The same for failures of the model `fail`."""

    def ask_all() -> None:
        for _ in range(count):
            ask()

    name = target.metrics.failures or target.metrics.requests
    return _labelled(target, "fail", must_rise_by(target, count, what, ask_all, name))


def _labelled(target: Target, fixture: str, risen: Sequence[Sample]) -> list[Series]:
    labels = target.metrics.model_label, target.metrics.version_label
    model = target.fixture(fixture).model
    for sample in risen:
        found = sample.label(labels[0])
        assert found == model, f"inferences of {model} are counted in {sample}"
    return [
        (sample.name, frozenset(pair for pair in sample.labels if pair[0] not in labels))
        for sample in risen
    ]


def _must_differ(
    target: Target, some: Sequence[Series], others: Sequence[Series], what: str, these: str
) -> None:
    for name, labels in set(some) & set(others):
        shown = dict(sorted(labels))
        raise AssertionError(f"{name}{shown} counts {what} and {these}: nothing tells them apart")
    told = {name for _, labels in (*some, *others) for name, _ in labels}
    target.record("outcomes are told by", ", ".join(sorted(told)) or "the name of the metric")


def _good(target: Target) -> None:
    target.rest.infer("identity_fp32", request(SCALAR)).must_succeed()


def _raising(target: Target) -> None:
    _must_fail(target.rest.infer("fail", request(SCALAR)))


def _wrong(target: Target) -> None:
    _must_fail(target.rest.infer("fail", request(tensor("x", "INT32", [1, 1], [1]))))


def _must_fail(exchange: Exchange) -> None:
    if exchange.must_answer_at_all().status < 400:
        raise Untestable(f"a request that has to fail is answered {exchange.status}")


def _good_call(target: Target) -> None:
    target.grpc.infer("identity_fp32", inputs=[fp32("x", 1.0)]).must_succeed()


def _raising_call(target: Target) -> None:
    code = target.grpc.infer("fail", inputs=[fp32("x", 1.0)]).code
    if code is StatusCode.OK:
        raise Untestable("a call that has to fail succeeds")


@requirement("MET-017", name="counted", fixtures=["fail"])
def test_failures_of_either_side_are_counted(target: Target) -> None:
    """An operator sees in the metrics that clients are turned away, whoever is to blame."""
    _failures(target, WRONG, "requests with a wrong datatype", lambda: _wrong(target))
    _failures(target, RAISING, "requests that make the model raise", lambda: _raising(target))


@requirement("MET-017", name="apart", fixtures=["fail"])
def test_client_errors_are_counted_apart_from_server_errors(target: Target) -> None:
    """Nobody is woken at night because a client misspells its request."""
    wrong = _failures(target, WRONG, "requests with a wrong datatype", lambda: _wrong(target))
    raising = _failures(target, RAISING, "requests that raise", lambda: _raising(target))

    _must_differ(target, wrong, raising, "errors of the client", "those of the server")


@requirement("MET-014", name="latest", fixtures=["constant"])
def test_a_request_without_a_version_counts_for_the_one_that_ran(target: Target) -> None:
    """A rollout compares the versions that answered, not the ones that were named."""
    _must_name_the_version(target, "")


@requirement("MET-014", name="asked", fixtures=["constant"])
def test_a_request_for_a_version_counts_for_that_one(target: Target) -> None:
    """A rollout sees what the old version does beside the new one."""
    if target.rest.infer("constant", request(SCALAR), version="1").status != 200:
        raise NotApplicable("the target serves no version 1 of constant")
    _must_name_the_version(target, "1")


def _must_name_the_version(target: Target, version: str) -> None:
    answered = set[str]()

    def ask() -> None:
        for _ in range(GOOD):
            answer = target.rest.infer("constant", request(SCALAR), version=version)
            answered.add(str(answer.must_succeed().json().get("model_version") or ""))

    risen = must_rise_by(target, GOOD, "inferences of constant", ask, target.metrics.requests)
    if answered == {""}:
        raise NotApplicable("answers name no model version")
    found = {sample.label(target.metrics.version_label) for sample in risen}
    assert found == answered, f"version {_list(answered)} answered, version {_list(found)} counted"


def _list(versions: set[str]) -> str:
    return " and ".join(map(repr, sorted(versions)))
