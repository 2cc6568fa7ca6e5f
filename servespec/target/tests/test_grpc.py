"""The gRPC plane against a server whose methods are functions of bytes."""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from ...wire import proto as pb
from ..outcomes import Nonconformance, TargetGone
from ..target import FixtureBinding, Target

Method = Callable[[bytes, grpc.ServicerContext], bytes]


@contextmanager
def serving(methods: Mapping[str, Method], alive: str | None = None) -> Iterator[Target]:
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        name: grpc.unary_unary_rpc_method_handler(method) for name, method in methods.items()
    }
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_registered_method_handlers(pb.SERVICE, handlers)
    servicer = health.HealthServicer()
    servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    reflection.enable_server_reflection(["grpc.health.v1.Health"], server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    fixtures = {"identity_int32": FixtureBinding("m", "2", {"x": "IN", "y": "OUT"})}
    target = Target(
        None,
        f"127.0.0.1:{port}",
        fixtures=fixtures,
        claims={},
        headers={"Authorization": "Bearer secret"},
        tls=None,
        alive=lambda: alive,
    )
    try:
        yield target
    finally:
        target.close()
        server.stop(None).wait(5)


def known(_: bytes, context: grpc.ServicerContext) -> bytes:
    return b""


def crash(_: bytes, context: grpc.ServicerContext) -> bytes:
    context.abort(grpc.StatusCode.INTERNAL, "oops")


def answering(response: pb.ModelInferResponse) -> dict[str, Method]:
    return {"ModelMetadata": known, "ModelInfer": lambda *_: response.SerializeToString()}


def output(
    name: str = "OUT",
    datatype: str = "INT32",
    contents: pb.InferTensorContents | None = None,
) -> pb.ModelInferResponse.InferOutputTensor:
    return pb.ModelInferResponse.InferOutputTensor(
        name=name, datatype=datatype, shape=[2], contents=contents
    )


X = pb.ModelInferRequest.InferInputTensor(name="x", datatype="INT32", shape=[2])


RAW = pb.ModelInferResponse(outputs=[output()], raw_output_contents=[b"\1\0\0\0\xff\xff\xff\xff"])
TYPED = pb.ModelInferResponse(
    outputs=[output(contents=pb.InferTensorContents(int_contents=[1, -1]))]
)


@pytest.mark.parametrize("response", [RAW, TYPED], ids=["raw", "typed"])
def test_raw_and_typed_contents_are_the_same_tensor(response: pb.ModelInferResponse) -> None:
    with serving(answering(response)) as target:
        exchange = target.grpc.infer("identity_int32", inputs=[X], raw=[b"01234567"], outputs=["y"])
    assert exchange.array("y").tolist() == [1, -1]
    sent = pb.ModelInferRequest.FromString(exchange.request)
    assert (sent.model_name, sent.model_version, sent.inputs[0].name) == ("m", "2", "IN")
    assert (sent.outputs[0].name, X.name) == ("OUT", "x")


@pytest.mark.parametrize(
    ("response", "sentence"),
    [
        (pb.ModelInferResponse(), "no output y"),
        (pb.ModelInferResponse(outputs=[output()]), r"found 0 elements, expected 2"),
        (
            pb.ModelInferResponse(outputs=[output(datatype="FP16")]),
            "FP16 has raw contents only, and none came",
        ),
        (
            pb.ModelInferResponse(
                outputs=[output(name="z"), output()], raw_output_contents=[b"01234567"]
            ),
            "is number 2 but 1 raw contents came",
        ),
    ],
    ids=["missing", "empty", "no-typed-form", "too-few-raw"],
)
def test_a_tensor_that_does_not_add_up_is_named(
    response: pb.ModelInferResponse, sentence: str
) -> None:
    with serving(answering(response)) as target:
        exchange = target.grpc.infer("identity_int32", inputs=[X])
    with pytest.raises(Nonconformance, match=sentence):
        exchange.array("y")


def test_bytes_go_out_and_come_back_as_they_are() -> None:
    with serving({"ServerLive": lambda request, _: request}) as target:
        exchange = target.grpc.call("ServerLive", b"\xba\x3e\x01a")
        unreadable = target.grpc.call("ServerLive", b"\xff")
    assert exchange.must_succeed().body == b"\xba\x3e\x01a"
    with pytest.raises(Nonconformance, match="the answer is no ServerLiveResponse"):
        _ = unreadable.message


def test_a_refusal_is_told_from_a_crash() -> None:
    def refuse(_: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no such tensor")

    with serving({"ModelReady": refuse, "ModelInfer": crash}) as target:
        refused = target.grpc.call("ModelReady", b"")
        crashed = target.grpc.call("ModelInfer", b"")
    assert refused.must_be_refused().must_not_crash().message is None
    with pytest.raises(Nonconformance, match=r"ended with INTERNAL \('oops'\), not an answer"):
        crashed.must_not_crash()


def test_a_call_that_is_not_answered_ends_in_time() -> None:
    left = threading.Event()

    def wait(_: bytes, context: grpc.ServicerContext) -> bytes:
        context.add_callback(left.set)
        left.wait(10)
        return b""

    with serving({"ModelInfer": wait}) as target:
        exchange = target.grpc.call("ModelInfer", b"", timeout=0.2)
    assert exchange.code is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_target_that_died_ends_the_check() -> None:
    with (
        serving({"ServerLive": crash}, alive="exit code 3") as target,
        pytest.raises(TargetGone, match=r"exit code 3, last asked: .*ServerLive"),
    ):
        target.grpc.call("ServerLive", b"")


def test_the_standard_services_are_asked() -> None:
    with serving({}) as target:
        health_now = target.grpc.health_check()
        watched = target.grpc.health_watch("", seconds=0.3)
        unknown = target.grpc.health_check("nobody")
        services = target.grpc.reflection_services()
    assert health_now.must_succeed().message.status == health_pb2.HealthCheckResponse.SERVING
    assert (watched.statuses, watched.code) == (("SERVING",), None)
    assert unknown.must_be(grpc.StatusCode.NOT_FOUND).body is None
    assert services == ["grpc.health.v1.Health"]


def test_the_evidence_can_be_repeated_and_holds_no_secret() -> None:
    with serving({"ModelReady": known}) as target:
        target.grpc.call("ModelReady", pb.ModelReadyRequest(name="m"))
        evidence = target.evidence[0]
    assert evidence.command.startswith("grpcurl -plaintext -H 'authorization: <redacted>' -d ")
    assert evidence.command.endswith(" inference.GRPCInferenceService/ModelReady")
    assert '{"name": "m"}' in evidence.command
    assert "secret" not in str(target.evidence)


def test_a_kubelet_has_no_credentials_and_says_who_it_is_over_grpc() -> None:
    sent: list[Mapping[str, str | bytes]] = []

    def live(_: bytes, context: grpc.ServicerContext) -> bytes:
        sent.append(dict(context.invocation_metadata()))
        return b""

    with serving({"ServerLive": live}) as target:
        kubelet = target.as_kubelet()
        for asker in (target, kubelet):
            asker.grpc.call("ServerLive", b"").must_succeed()
        kubelet.close()

    assert [one.get("authorization") for one in sent] == ["Bearer secret", None]
    assert [str(one["user-agent"]).startswith("kube-probe/") for one in sent] == [False, True]
