"""The gRPC door of a running server."""

import grpc
import numpy as np
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import Message
from grpc import StatusCode as Code
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from servespec.wire import proto

from .models import write_models
from .serving import SECONDS, Served, serving

Input = proto.ModelInferRequest.InferInputTensor
Question = reflection_pb2.ServerReflectionRequest


def question(model: str = "echo", version: str = "") -> proto.ModelInferRequest:
    """A row for `echo`, raw."""
    x = Input(name="x", datatype="FP32", shape=[1, 2])
    raw = np.array([1.0, 2.0], "<f4").tobytes()
    return proto.ModelInferRequest(
        model_name=model, model_version=version, id="7", inputs=[x], raw_input_contents=[raw]
    )


def code_of(caught: pytest.ExceptionInfo[grpc.RpcError]) -> Code:
    """The code that a failed call ended with."""
    code: Code = getattr(caught.value, "code")()  # noqa: B009  # not said of RpcError itself
    return code


def refusal(served: Served, method: str, message: bytes | Message) -> Code:
    """The code of a call that fails."""
    with pytest.raises(grpc.RpcError) as caught:
        served.call(method, message)
    return code_of(caught)


def test_raw_inputs_are_answered_raw_with_id_and_version(served: Served) -> None:
    answer = served.call("ModelInfer", question())
    assert isinstance(answer, proto.ModelInferResponse)
    assert (answer.id, answer.model_version) == ("7", "1")
    assert list(answer.raw_output_contents) == list(question().raw_input_contents)


def test_typed_inputs_are_answered_typed(served: Served) -> None:
    message = question()
    message.inputs[0].contents.fp32_contents.extend([1.0, 2.0])
    message.ClearField("raw_input_contents")
    answer = served.call("ModelInfer", message)
    assert isinstance(answer, proto.ModelInferResponse)
    assert list(answer.outputs[0].contents.fp32_contents) == [1.0, 2.0]


@pytest.mark.parametrize(("model", "datatype"), [("echo_bf16", "BF16"), ("echo_fp16", "FP16")])
def test_half_floats_keep_every_bit(served: Served, model: str, datatype: str) -> None:
    bits = np.array([[0x3F80, 0x7FC0, 0x8000, 0x0001]], "<u2").tobytes()
    message = question(model)
    message.inputs[0].datatype = datatype
    message.inputs[0].shape[:] = [1, 4]
    message.raw_input_contents[:] = [bits]
    answer = served.call("ModelInfer", message)
    assert isinstance(answer, proto.ModelInferResponse)
    assert list(answer.raw_output_contents) == [bits]


def test_both_doors_say_the_same_of_server_and_model(served: Served) -> None:
    server = served.call("ServerMetadata", proto.ServerMetadataRequest())
    assert isinstance(server, proto.ServerMetadataResponse)
    facts = served.rest.get("/v2").json()
    assert (server.name, server.version, [*server.extensions]) == tuple(facts.values())
    model = served.call("ModelMetadata", proto.ModelMetadataRequest(name="versioned"))
    assert isinstance(model, proto.ModelMetadataResponse)
    assert [*model.versions] == served.rest.get("/v2/models/versioned").json()["versions"]


@pytest.mark.parametrize(
    ("method", "message", "code"),
    [
        pytest.param("ModelInfer", question("nothing"), Code.NOT_FOUND, id="unknown-model"),
        pytest.param("ModelInfer", b"\x0a\x01n\x2a\x00", Code.NOT_FOUND, id="also-if-malformed"),
        pytest.param("ModelInfer", question("echo", "9"), Code.NOT_FOUND, id="unknown-version"),
        pytest.param("ModelInfer", question("n" * 20_000), Code.NOT_FOUND, id="long-name"),
        pytest.param("ModelInfer", question("fixed"), Code.INVALID_ARGUMENT, id="shape"),
        pytest.param("ModelInfer", b"\xff\xff", Code.INVALID_ARGUMENT, id="no-message"),
        pytest.param("ModelReady", b"\x0a\x01n", Code.NOT_FOUND, id="readiness-of-no-model"),
    ],
)
def test_an_error_has_the_code_of_its_kind(
    served: Served, method: str, message: bytes | Message, code: Code
) -> None:
    assert refusal(served, method, message) is code


def test_a_model_that_raises_is_internal(served: Served) -> None:
    x = Input(name="x", datatype="FP32", shape=[1])
    x.contents.fp32_contents.append(1.0)
    shape = Input(name="shape", datatype="INT64", shape=[1])
    shape.contents.int64_contents.append(7)
    message = proto.ModelInferRequest(model_name="picky", inputs=[x, shape])
    assert refusal(served, "ModelInfer", message) is Code.INTERNAL


def test_health_knows_the_server_and_the_service_and_nothing_else(served: Served) -> None:
    def check(service: str) -> health_pb2.HealthCheckResponse:
        request = health_pb2.HealthCheckRequest(service=service).SerializeToString()
        answer = served.ask("/grpc.health.v1.Health/Check", request)
        return health_pb2.HealthCheckResponse.FromString(answer)

    for name in ("", proto.SERVICE):
        assert check(name).status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as caught:
        check("other")
    assert code_of(caught) is Code.NOT_FOUND


def reflect(served: Served, *questions: Question) -> list[reflection_pb2.ServerReflectionResponse]:
    """Ask the reflection service."""
    method: grpc.StreamStreamMultiCallable[Question, reflection_pb2.ServerReflectionResponse] = (
        served.channel.stream_stream(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            request_serializer=Question.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
    )
    return list(method(iter(questions), timeout=SECONDS))


def test_reflection_describes_every_service(served: Served) -> None:
    (listing,) = reflect(served, Question(list_services="*"))
    names = [service.name for service in listing.list_services_response.service]
    assert proto.SERVICE in names
    for answer in reflect(served, *(Question(file_containing_symbol=name) for name in names)):
        files = answer.file_descriptor_response.file_descriptor_proto
        assert [FileDescriptorProto.FromString(file).service for file in files]


def test_a_message_above_the_limit_is_resource_exhausted(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    models = write_models(tmp_path_factory.mktemp("models"), "echo/1")
    with serving(models, "--max-body-bytes", "1000") as small:
        code = refusal(small, "ModelInfer", bytes(1001))
        assert code is Code.RESOURCE_EXHAUSTED
        assert small.rest.post("/v2/models/echo/infer", content=bytes(1001)).status_code == 413
