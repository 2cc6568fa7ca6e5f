"""One server, two planes: what it says of itself, and what it computes, is the same on both."""

from typing import Any

import numpy as np
import pytest

from servespec.target.exchange import Exchange, GrpcExchange
from servespec.target.outcomes import NotApplicable, Untestable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement
from servespec.wire import proto as pb
from servespec.wire.datatypes import DATATYPES

from ..grpc.messages import FIELDS, bare, bits, raw, sample
from ..strategies import binary_request, request, tensor


@pytest.fixture
def both(target: Target) -> Target:
    """The target, if it has both planes."""
    try:
        target.rest, target.grpc  # noqa: B018  # each says what is missing
    except Untestable as missing:
        raise NotApplicable(f"{missing}: nothing to compare") from None
    return target


@requirement("OIP-GRPC-SVC-007", name="server")
def test_the_server_is_described_alike(both: Target) -> None:
    """A client finds the same extensions whichever plane it asks."""
    rest = both.rest.get("/v2").must_succeed()
    grpc = both.grpc.call("ServerMetadata", pb.ServerMetadataRequest()).must_succeed().message

    said = [rest.answer("name"), rest.answer("version"), _names(rest, "extensions")]
    answered = [grpc.name, grpc.version, sorted(grpc.extensions)]
    assert said == answered, f"REST says {said}, gRPC {answered}"


@requirement("OIP-GRPC-SVC-007", name="model")
@pytest.mark.parametrize("fixture", ["add_sub", "constant", "digits_fp32"])
def test_a_model_is_described_alike(both: Target, fixture: str) -> None:
    """A client that was written against one plane's metadata works with the other."""
    hosted = both.fixture(fixture)
    rest = both.rest.model_metadata(fixture).must_succeed()
    asked = pb.ModelMetadataRequest(name=hosted.model, version=hosted.version)
    grpc = both.grpc.call("ModelMetadata", asked).must_succeed().message

    said, answered = _of_rest(rest), _of_grpc(grpc)
    assert said == answered, f"REST says {said}, gRPC {answered}"


def _of_rest(exchange: Exchange) -> list[Any]:
    tensors = [
        (what, *map(one.get, ("name", "datatype", "shape"))) if isinstance(one, dict) else one
        for what in ("inputs", "outputs")
        for one in _listed(exchange, what)
    ]
    versions = _names(exchange, "versions")
    return [exchange.answer("name"), exchange.answer("platform"), versions, tensors]


def _names(exchange: Exchange, member: str) -> list[str]:
    return sorted(map(str, _listed(exchange, member)))


def _listed(exchange: Exchange, member: str) -> list[Any]:
    """A list of the answer; what is left out, or null, is what gRPC sends as no elements."""
    value = exchange.answer(member) if exchange.has(member) else None
    assert isinstance(value, list | None), f"{member} is {value!r}, not a list"
    return value or []


def _of_grpc(message: Any) -> list[Any]:
    tensors = [
        (what, one.name, one.datatype, list(one.shape))
        for what in ("inputs", "outputs")
        for one in getattr(message, what)
    ]
    return [message.name, message.platform, sorted(message.versions), tensors]


@requirement("OIP-GRPC-INF-018", name="identity")
def test_values_come_back_alike(both: Target) -> None:
    """A client may change the plane and keep its results to the last bit."""
    hosted = [name for name in DATATYPES if both.has_fixture(f"identity_{name.lower()}")]
    binary = "binary_tensor_data" in both.extensions
    compared = [name for name in hosted if binary or name in FIELDS]
    both.record("datatypes compared over REST and gRPC", " ".join(compared))
    for datatype in compared:
        rest, grpc = _echoes(both, datatype)

        came = bits(rest.array("y")), bits(grpc.array("y"))
        assert came[0] == came[1], f"{datatype} came as {came[0]} over REST, {came[1]} over gRPC"


def _echoes(target: Target, datatype: str) -> tuple[Exchange, GrpcExchange]:
    """The same values over both planes; half floats have no form in JSON."""
    fixture, sent = f"identity_{datatype.lower()}", sample(datatype)
    if datatype in FIELDS:
        data = [one.decode() if isinstance(one, bytes) else one for one in sent.ravel().tolist()]
        rest = target.rest.infer(fixture, request(tensor("x", datatype, sent.shape, data)))
    else:
        x = target.fixture(fixture).tensor("x")
        back = {"binary_data_output": True}
        asked = binary_request(x, datatype, sent.shape, raw(sent), parameters=back)
        rest = target.rest.infer(fixture, **asked)
    return rest, target.grpc.infer(
        fixture, inputs=[bare("x", datatype, sent.shape)], raw=[raw(sent)]
    )


@requirement("OIP-GRPC-INF-018", name="computed")
def test_results_come_back_alike(both: Target) -> None:
    """A sum does not depend on the plane it was asked over."""
    a, b = np.array([[0.1, 1e30, -0.0]], "<f4"), np.array([[0.2, 1e-30, 0.0]], "<f4")
    exact = [tensor(name, "FP32", [1, 3], x.ravel().tolist()) for name, x in (("a", a), ("b", b))]
    rest = both.rest.infer("add_sub", request(*exact))
    inputs = [bare(name, "FP32", [1, 3]) for name in ("a", "b")]
    grpc = both.grpc.infer("add_sub", inputs=inputs, raw=[raw(a), raw(b)])

    for output in ("sum", "difference"):
        came = rest.array(output), grpc.array(output)
        assert bits(came[0]) == bits(came[1]), f"{output}: {came[0]} over REST, {came[1]} over gRPC"
