"""A server that is asked for more than it can do, or for longer than its callers can wait."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import grpc
import httpx
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper, parser

from servespec.wire import proto

from .models import write_models
from .serving import Served, serving, tensor

LONG, ENDLESS = 2_000, 10**9


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server whose slow model lets one request wait."""
    models = write_models(tmp_path_factory.mktemp("models"), "slow/1", "echo/1")
    (models / "slow" / "model.toml").write_text("[queue]\nmax_size = 1\npriority_levels = 2\n")
    with serving(models) as server:
        yield server.becomes_ready()


def slow(turns: int) -> dict[str, object]:
    """Ask for so many turns."""
    return tensor("turns", [], [turns], "INT64")


def timed(served: Served, turns: int, seconds: str) -> httpx.Response:
    """Ask the slow model over REST, with a timeout."""
    body = {"inputs": [slow(turns)]}
    headers = {"Request-Timeout": seconds}
    return served.rest.post("/v2/models/slow/infer", json=body, headers=headers)


def message(turns: int) -> proto.ModelInferRequest:
    """Ask for so many turns over gRPC."""
    asked = proto.ModelInferRequest.InferInputTensor(name="turns", datatype="INT64")
    asked.contents.int64_contents.append(turns)
    return proto.ModelInferRequest(model_name="slow", inputs=[asked])


def counted(served: Served, name: str) -> float:
    """The value of a metric's series."""
    lines = served.rest.get("/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith(name)).rpartition(" ")[2])


def test_one_more_than_the_queue_holds_is_refused_at_once_on_both_planes(small: Served) -> None:
    shed = 'inference_shed_total{model="slow",reason="queue_full",version="1"}'
    before = counted(small, shed)
    with ExitStack() as stack:
        callers = [stack.enter_context(small.slow(LONG)) for _ in range(2)]
        refused = small.infer("slow", slow(1))
        with pytest.raises(grpc.RpcError) as caught:
            small.call("ModelInfer", message(1))
        assert [caller.getresponse().status for caller in callers] == [200, 200]
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert "1 requests wait already" in json.loads(refused.text)["error"]
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    told: dict[str, object] = {each.key: each.value for each in caught.value.trailing_metadata()}
    assert told["retry-after"] == "1"
    assert counted(small, shed) - before == 2


def test_a_deadline_ends_what_runs_and_the_engine_is_free(small: Served) -> None:
    expired = 'inference_expired_total{model="slow",version="1"}'
    before = counted(small, expired)
    assert timed(small, ENDLESS, "0.05").status_code == 504
    parameters = {"timeout": 50_000}
    assert small.infer("slow", slow(ENDLESS), parameters=parameters).status_code == 504
    with pytest.raises(grpc.RpcError, match="DEADLINE_EXCEEDED"):
        small.call("ModelInfer", message(ENDLESS), seconds=0.05)
    assert small.infer("slow", slow(1)).status_code == 200
    assert counted(small, expired) - before == 3


def test_who_waits_no_longer_makes_room_in_the_queue(small: Served) -> None:
    with small.slow(LONG) as first:
        assert [timed(small, ENDLESS, "0.01").status_code for _ in range(3)] == [504] * 3
        assert first.getresponse().status == 200


def test_a_timeout_that_is_long_enough_changes_nothing(small: Served) -> None:
    assert timed(small, 1, "9.5").status_code == 200
    assert small.infer("slow", slow(1), parameters={"timeout": 0}).status_code == 200


def test_what_takes_too_much_memory_is_refused_and_harms_nobody(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    models = write_models(tmp_path_factory.mktemp("models"), "zeros/1", "echo/1")
    row = tensor("x", [1, 1], [1.0])

    def megabytes(number: int) -> httpx.Response:
        return served.infer("zeros", tensor("n", [1], [number * 2**18], "INT64"))

    with serving(models, "--memory-bytes", str(64 * 2**20)) as served:
        served.becomes_ready()
        answers = [megabytes(number) for number in (10, 40, 100, 50, 8000, 10)]
        assert served.infer("echo", row).status_code == 200
        assert counted(served, 'inference_shed_total{model="zeros",reason="memory"') == 2
    assert [answer.status_code for answer in answers] == [200, 200, 503, 200, 503, 200]
    assert answers[2].headers["retry-after"] == "1"


def write_weights(models: Path, name: str, rows: int, columns: int) -> None:
    """Write a model that is a product with so many FP32."""
    folder = models / name / "1"
    folder.mkdir(parents=True)
    weights = numpy_helper.from_array(np.ones((rows, columns), np.float32), "w")
    graph = parser.parse_graph(
        f"agraph (float[N, {rows}] x) => (float[N, {columns}] y) {{ y = MatMul(x, w) }}"
    )
    graph.initializer.append(weights)
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    onnx.save(model, folder / "model.onnx")


def has_started(served: Served) -> None:
    """Wait until all is loaded that can be."""
    end = monotonic() + 10
    while served.rest.get("/startupz").status_code != 200:
        assert monotonic() < end, "not loaded in time"


def test_a_model_whose_weights_do_not_fit_is_not_loaded_and_harms_nobody(tmp_path: Path) -> None:
    models = write_models(tmp_path, "zeros/1", "echo/1")
    for name, megabytes in (("fits", 20), ("huge", 40), ("more", 20)):
        write_weights(models, name, 16, megabytes * 2**14)
    with serving(models, "--memory-bytes", str(50 * 2**20)) as served:
        has_started(served)
        found = [
            served.rest.get(f"/v2/models/{name}/ready").status_code
            for name in ("echo", "fits", "huge", "more", "zeros")
        ]
        assert served.infer("echo", tensor("x", [1, 1], [1.0])).status_code == 200
        too_much = served.infer("zeros", tensor("n", [1], [40 * 2**18], "INT64"))
        assert too_much.status_code == 503
        served.stop()
        assert served.process.stderr is not None
        said = served.process.stderr.read()
    assert found == [200, 200, 503, 200, 200]
    assert "model huge version 1 failed to load: its files have" in said
    assert "of --memory-bytes 52428800 the other models leave" in said


def test_a_bound_below_what_weights_are_packed_into_is_a_mistake(tmp_path: Path) -> None:
    write_weights(tmp_path, "narrow", 2**18, 1)  # packed for sixteen columns
    with serving(tmp_path, "--memory-bytes", str(4 * 2**20)) as served:
        assert served.process.wait(10) == 2
        assert served.process.stderr is not None
        assert "--memory-bytes 4194304: packed weights take more" in served.process.stderr.read()


@pytest.mark.parametrize("seconds", ["0", "-1", "x", "nan", "1e3", "0.0", ""])
def test_a_timeout_that_is_none_is_refused(small: Served, seconds: str) -> None:
    assert timed(small, 1, seconds).status_code == 400


@pytest.mark.parametrize(
    "parameters", [{"timeout": -1}, {"timeout": "1"}, {"timeout": 1.5}, {"priority": 3}]
)
def test_a_parameter_that_does_not_fit_is_refused(
    small: Served, parameters: dict[str, object]
) -> None:
    answer = small.infer("slow", slow(1), parameters=parameters)
    assert (answer.status_code, next(iter(parameters)) in answer.text) == (400, True)
