"""GRPCInferenceService: its methods, the codes of its errors, versions, reflection."""

from collections.abc import Mapping

import numpy as np
import pytest
from google.protobuf.message import Message
from grpc import StatusCode

from servespec.target.exchange import GrpcExchange
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement
from servespec.wire import proto as pb

from .messages import ONE, Input, bare, fp32, raw, typed

MIB = 1 << 20
NOBODY = "servespec-no-such-name"
FIELD_1000 = bytes.fromhex("c03e01 c23e03616263")  # a number and a string


def _questions(target: Target) -> Mapping[str, Message]:
    """A sound question to every method."""
    hosted = target.fixture("identity_fp32")
    return {
        "ServerLive": pb.ServerLiveRequest(),
        "ServerReady": pb.ServerReadyRequest(),
        "ModelReady": pb.ModelReadyRequest(name=hosted.model, version=hosted.version),
        "ServerMetadata": pb.ServerMetadataRequest(),
        "ModelMetadata": pb.ModelMetadataRequest(name=hosted.model, version=hosted.version),
        "ModelInfer": target.grpc.message("identity_fp32", inputs=[ONE]),
    }


@requirement("OIP-GRPC-SVC-001")
def test_every_method_is_implemented(target: Target) -> None:
    """A client that was generated from the protocol's service can call all of it."""
    for method, question in _questions(target).items():
        exchange = target.grpc.call(method, question)

        assert exchange.code is not StatusCode.UNIMPLEMENTED, f"{method} is not implemented"


@requirement("OIP-GRPC-SVC-002")
def test_a_server_that_serves_is_live(target: Target) -> None:
    """Who watches a server does not restart it while it works."""
    exchange = target.grpc.call("ServerLive", pb.ServerLiveRequest())

    assert exchange.must_succeed().message.live, "the server answers, and says that it is not live"


@requirement("OIP-GRPC-SVC-005", name="asked")
@pytest.mark.parametrize("method", ["ModelMetadata", "ModelInfer"])
def test_an_unknown_model_is_not_found(target: Target, method: str) -> None:
    """A client that mistyped a name learns that it is the name."""
    questions = {
        "ModelMetadata": pb.ModelMetadataRequest(name=NOBODY),
        "ModelInfer": pb.ModelInferRequest(model_name=NOBODY, inputs=[ONE]),
    }
    exchange = target.grpc.call(method, questions[method])

    exchange.must_be(StatusCode.NOT_FOUND)


@requirement("OIP-GRPC-SVC-005", name="ready")
def test_an_unknown_model_is_not_ready(target: Target) -> None:
    """Who waits for a model does not send requests to one that is not there."""
    exchange = target.grpc.call("ModelReady", pb.ModelReadyRequest(name=NOBODY))

    exchange.must_be(StatusCode.OK, StatusCode.NOT_FOUND)
    target.record("ModelReady of an unknown model", exchange.code.name)
    if exchange.code is StatusCode.OK:
        assert not exchange.message.ready, "a model that does not exist is said to be ready"


BAD_INPUTS: Mapping[str, tuple[Input, ...]] = {
    "no input": (),
    "an unknown input": (ONE, fp32(NOBODY, 1.0)),
    "another datatype": (typed("x", "INT32", [1, 1], [1]),),
    "another rank": (typed("x", "FP32", [1], [1.0]),),
}


@requirement("OIP-GRPC-SVC-006", name="bad-arguments")
@pytest.mark.parametrize("case", BAD_INPUTS)
def test_a_bad_argument_is_called_so(target: Target, case: str) -> None:
    """A client that retries by the code does not repeat what can never succeed."""
    exchange = target.grpc.infer("identity_fp32", inputs=BAD_INPUTS[case])

    exchange.must_be(StatusCode.OK, StatusCode.INVALID_ARGUMENT)
    target.record(case, exchange.code.name)


@requirement("OIP-GRPC-SVC-006", name="model-failure")
def test_a_failing_model_has_a_defined_code(target: Target) -> None:
    """An operator who counts errors by their code sees that the model is at fault."""
    exchange = target.grpc.infer("fail", inputs=[fp32("x", 1.0)])

    failed = exchange.code.name
    assert failed not in ("OK", "UNKNOWN"), f"a model that fails is told as {failed}"
    target.record("model failure", failed)
    documented = target.claim("oip-grpc", "model_failure_code", failed)
    assert failed in ("INTERNAL", documented), f"{documented} is documented, {failed} came"


@requirement("OIP-GRPC-SVC-009")
def test_unknown_fields_are_ignored(target: Target) -> None:
    """A client that was built from a later protocol is still served."""
    for method, question in _questions(target).items():
        exchange = target.grpc.call(method, question.SerializeToString() + FIELD_1000)

        exchange.must_succeed()


@requirement("OIP-GRPC-SVC-010")
def test_the_server_chooses_a_version_and_names_it(target: Target) -> None:
    """A client that leaves the choice to the server can still say which model answered."""
    hosted = target.fixture("constant")
    described = target.grpc.call("ModelMetadata", pb.ModelMetadataRequest(name=hosted.model))
    exchange = target.grpc.infer("constant", inputs=[ONE], version="")

    version = exchange.must_succeed().message.model_version
    target.record("version chosen", version or "none named")
    if version in ("1", "2"):
        answered = f"{exchange.array('y').item():g}"
        assert version == answered, f"version {answered} answered, but {version} is named"
    else:
        known = list(described.must_succeed().message.versions)
        assert version in known or not known, f"{version!r} is named, and there is only {known}"


@requirement("OIP-GRPC-SVC-013", kind="saturating")
def test_the_largest_message_is_documented(target: Target) -> None:
    """A client knows beforehand whether its batch fits, and what it is told if not."""
    documented = target.claim("oip-grpc", "max_message_bytes")
    limit = documented or 64 * MIB
    below = _sent(target, min(5 * MIB, limit // 2))
    above = _sent(target, limit)

    target.record("a message of 5 MiB, or half the limit", below.code.name)
    target.record("a message above 64 MiB, or above the limit", above.code.name)
    unknown = () if documented else (StatusCode.OK, StatusCode.RESOURCE_EXHAUSTED)
    below.must_be(StatusCode.OK, *unknown)
    above.must_be(StatusCode.RESOURCE_EXHAUSTED, *unknown)


def _sent(target: Target, size: int) -> GrpcExchange:
    """A message of a little more than `size` bytes."""
    element = raw(np.array([b"a" * size], object))
    return target.grpc.infer("identity_bytes", inputs=[bare("x", "BYTES", [1, 1])], raw=[element])


@requirement("OIP-GRPC-SVC-014")
def test_the_service_describes_itself(target: Target) -> None:
    """A person with grpcurl, or a gateway, needs no file to call the server."""
    if published := target.claim("oip-grpc", "proto_url"):
        target.record("the .proto is published", published)
        return
    services = target.grpc.reflection_services()

    assert isinstance(services, list), f"reflection ended with {services.code.name}"
    assert pb.SERVICE in services, f"reflection lists {services}, not {pb.SERVICE}"
