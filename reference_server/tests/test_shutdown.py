"""The end of the whole server, as its clients and its parent see it."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_reflection.v1alpha import reflection_pb2

from servespec.wire import proto

from .models import write_models
from .serving import SECONDS, Served, launch, serving, tensor

ENDLESS = 10**9
ONE = tensor("x", [1, 1], [1.0])
WATCH = "/grpc.health.v1.Health/Watch"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
IN_FLIGHT = 'inference_in_flight{model="slow",version="1"} 1'
UNTIL_KILLED = ("--drain-delay-seconds", "30", "--grace-seconds", "60")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A repository of a slow model and a quick one."""
    return write_models(tmp_path / "models", "slow/1", "echo/1")


def asking(told: threading.Event) -> Iterator[bytes]:
    """Ask reflection one question, then say nothing more, and do not end."""
    yield reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()
    told.wait(SECONDS)


def signalled(server: Served, number: signal.Signals = signal.SIGTERM) -> Served:
    """Send a signal; return when the server has taken it."""
    server.process.send_signal(number)
    end = time.monotonic() + SECONDS
    while server.rest.get("/readyz").status_code == 200:
        assert time.monotonic() < end, "still ready after the signal"
    return server


def test_it_serves_during_the_delay_and_says_close(models: Path) -> None:
    with serving(models, *UNTIL_KILLED) as server:
        signalled(server.becomes_ready())
        for answer in (server.infer("echo", ONE), server.rest.get("/livez")):
            assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        ready = server.call("ServerReady", proto.ServerReadyRequest())
        assert ready == proto.ServerReadyResponse(ready=False)
        assert server.rest.get("/v2/models/echo/ready").status_code == 503
        assert server.rest.get("/startupz").status_code == 200


def test_new_work_is_refused_and_life_confirmed_while_work_in_flight_is_finished(
    models: Path,
) -> None:
    with serving(models) as server, server.becomes_ready().slow(turns=4_000) as asked:
        signalled(server)
        while (late := server.infer("echo", ONE)).status_code == 200:
            pass
        assert (late.status_code, late.headers["connection"]) == (503, "close")
        assert late.json() == {"error": "the server is shutting down"}
        assert server.rest.get("/livez").status_code == 200
        with pytest.raises(grpc.RpcError, match="UNAVAILABLE"):
            server.call("ServerLive", proto.ServerLiveRequest())
        assert asked.getresponse().status == 200
        assert server.process.wait(SECONDS) == 0


def test_open_streams_hear_of_the_end_and_do_not_hold_it(models: Path) -> None:
    with serving(models) as server:
        watch: grpc.UnaryStreamMultiCallable[bytes, bytes]
        watch = server.becomes_ready().channel.unary_stream(WATCH)
        states = watch(HealthCheckRequest().SerializeToString(), timeout=SECONDS)
        told = threading.Event()
        reflect: grpc.StreamStreamMultiCallable[bytes, bytes]
        reflect = server.channel.stream_stream(REFLECTION)
        answers = reflect(asking(told), timeout=SECONDS)
        assert next(answers)
        assert HealthCheckResponse.FromString(next(states)).status == HealthCheckResponse.SERVING
        signalled(server)
        later = [HealthCheckResponse.FromString(state).status for state in states]
        assert (later, list(answers)) == ([HealthCheckResponse.NOT_SERVING], [])
        told.set()
        assert server.process.wait(SECONDS) == 0


def test_whoever_calls_on_and_on_is_answered_or_told_unavailable(models: Path) -> None:
    codes = set[grpc.StatusCode]()
    with serving(models, "--drain-delay-seconds", "0.1") as server:
        infer: grpc.UnaryUnaryMultiCallable[bytes, bytes]
        infer = server.becomes_ready().channel.unary_unary(f"/{proto.SERVICE}/ServerMetadata")
        server.process.terminate()
        while grpc.StatusCode.UNAVAILABLE not in codes:
            calls = [infer.future(b"", timeout=SECONDS) for _ in range(32)]
            codes |= {call.code() for call in calls}
        assert server.process.wait(SECONDS) == 0
    assert codes <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}


def test_a_second_sigint_ends_with_an_error_what_is_left(models: Path) -> None:
    with serving(models, *UNTIL_KILLED) as server, server.becomes_ready().slow(ENDLESS) as asked:
        assert signalled(server, signal.SIGINT).stop(signal.SIGINT) == 0
        assert asked.getresponse().status == 503


def test_an_unfinished_call_ends_as_unavailable_with_the_grace(models: Path) -> None:
    turns = proto.ModelInferRequest.InferInputTensor(name="turns", datatype="INT64")
    turns.contents.int64_contents.append(ENDLESS)
    endless = proto.ModelInferRequest(model_name="slow", inputs=[turns]).SerializeToString()
    with serving(models, "--grace-seconds", "0.5") as server:
        infer: grpc.UnaryUnaryMultiCallable[bytes, bytes]
        infer = server.becomes_ready().channel.unary_unary(f"/{proto.SERVICE}/ModelInfer")
        call = infer.future(endless, timeout=SECONDS)
        while IN_FLIGHT not in server.rest.get("/metrics").text:
            assert not call.done()
        assert server.stop() == 0
        assert call.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_while_models_load_end_it_at_once(models: Path, number: signal.Signals) -> None:
    (models / "endless" / "1").mkdir(parents=True)
    os.mkfifo(models / "endless" / "1" / "model.onnx")
    with serving(models, *UNTIL_KILLED) as server:
        assert server.rest.get("/startupz").status_code == 503
        server.process.send_signal(number)
        assert server.stop(number) == 0


def test_the_probe_door_answers_beside_the_main_one(models: Path) -> None:
    with serving(models, "--probe-port", "0") as server:
        server.becomes_ready()
        door = f"http://{server.doors['probes']}"
        for path in ("/livez", "/readyz", "/startupz", "/v2/health/ready", "/metrics"):
            assert server.rest.get(f"{door}{path}").status_code == 200
        assert server.rest.get(f"{door}/v2/models/echo").status_code == 404
        assert server.stop() == 0


def test_a_defect_of_its_life_is_there_from_the_start(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVESPEC_DEFECTS", "shutdown-at-once")
    with serving(models, *UNTIL_KILLED) as server:
        assert server.becomes_ready().stop() == 0


def test_an_unknown_defect_is_one_line_and_exit_code_2(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVESPEC_DEFECTS", "no-such")
    with launch("--models", models, "--http-port", "0", "--grpc-port", "0") as process:
        _, printed = process.communicate(timeout=SECONDS)
        assert process.returncode == 2
        assert printed == "reference_server: SERVESPEC_DEFECTS: no defect is named 'no-such'\n"
