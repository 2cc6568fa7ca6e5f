"""Each inference request of a running server is counted once, by how it ended."""

import re
import socket
import struct
import time
from collections import Counter

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from servespec.wire import proto

from .serving import SECONDS, Served, tensor
from .test_grpc import question

ROW = tensor("x", [1, 2], [1.0, 2.0])
PARTS = re.compile(r"queue;dur=\d+\.\d{3}, compute;dur=\d+\.\d{3}, total;dur=\d+\.\d{3}")
TOTAL = re.compile(r"total;dur=\d+\.\d{3}")

Counts = Counter[tuple[str, str, str, str]]


def counts(served: Served) -> Counts:
    """The requests so far, by model, version, plane and code."""
    found: Counts = Counter()
    for family in text_string_to_metric_families(served.rest.get("/metrics").text):
        for sample in family.samples:
            if sample.name == "inference_requests_total":
                of = sample.labels
                key = of["model"], of["version"], of["plane"], of["code"]
                found[key] = int(sample.value)
    return found


def test_success_and_failure_are_counted_by_model_version_and_code(served: Served) -> None:
    before = counts(served)
    served.infer("versioned", tensor("x", [1], [1.0]))
    served.infer("echo")
    served.infer("picky", tensor("x", [3], [1.0, 2.0, 3.0]), tensor("shape", [1], [7], "INT64"))
    assert counts(served) - before == {
        ("versioned", "10", "rest", "200"): 1,
        ("echo", "1", "rest", "400"): 1,
        ("picky", "1", "rest", "500"): 1,
    }


def test_unknown_models_make_one_series_of_all(served: Served) -> None:
    before = counts(served)
    for name in ("nothing", "echo/versions/9", "%2e%2e"):
        served.infer(name, ROW)
    assert counts(served) - before == {("", "", "rest", "404"): 3}


def test_over_grpc_the_code_is_its_name(served: Served) -> None:
    before = counts(served)
    served.call("ModelInfer", question())
    for refused in (question("nothing"), b"\xff", question("fixed")):
        with pytest.raises(grpc.RpcError):
            served.call("ModelInfer", refused)
    assert counts(served) - before == {
        ("echo", "1", "grpc", "OK"): 1,
        ("", "", "grpc", "NOT_FOUND"): 1,
        ("", "", "grpc", "INVALID_ARGUMENT"): 1,
        ("fixed", "1", "grpc", "INVALID_ARGUMENT"): 1,
    }


def test_what_http_itself_refuses_is_counted(served: Served) -> None:
    before = counts(served)
    path, body = "/v2/models/echo/infer", b"no deflate"
    assert (
        served.rest.post(path, content=body, headers={"Content-Encoding": "br"}).status_code == 415
    )
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {2**40}\r\n\r\n"
    host, port = served.doors["http"].split(":")
    with socket.create_connection((host, int(port)), SECONDS) as connection:
        connection.sendall(head.encode())
        assert b" 413 " in connection.recv(100)
    assert counts(served) - before == {
        ("echo", "1", "rest", "415"): 1,
        ("echo", "1", "rest", "413"): 1,
    }


def test_what_is_no_inference_is_not_counted(served: Served) -> None:
    before = counts(served)
    served.rest.get("/v2/models/echo/infer")
    served.rest.get("/v2/models/echo")
    served.rest.get("/v2/health/live")
    assert counts(served) == before


def test_a_caller_who_left_is_counted_once(served: Served) -> None:
    before = counts(served)
    turns = proto.ModelInferRequest.InferInputTensor(name="turns", datatype="INT64")
    turns.contents.int64_contents.append(1)
    late = proto.ModelInferRequest(model_name="slow", inputs=[turns])
    with served.slow(turns=2_000) as first:
        with served.slow(turns=1) as second:
            reset = struct.pack("ii", 1, 0)
            second.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        with pytest.raises(grpc.RpcError, match="DEADLINE_EXCEEDED"):
            served.call("ModelInfer", late, seconds=0.1)
        assert first.getresponse().status == 200
    expected = {
        ("slow", "1", "rest", "200"): 1,
        ("slow", "1", "rest", "499"): 1,
        ("slow", "1", "grpc", "DEADLINE_EXCEEDED"): 1,
        ("echo", "1", "rest", "200"): 2,
    }
    assert counts(served) - before == expected


def test_every_answer_to_an_inference_says_how_long_it_took(served: Served) -> None:
    assert PARTS.fullmatch(served.infer("echo", ROW).headers["server-timing"])
    assert TOTAL.fullmatch(served.infer("echo").headers["server-timing"])
    assert TOTAL.fullmatch(served.infer("nothing").headers["server-timing"])
    assert "server-timing" not in served.rest.get("/v2").headers


def test_over_grpc_it_is_trailing_metadata(served: Served) -> None:
    method: grpc.UnaryUnaryMultiCallable[bytes, bytes]
    method = served.channel.unary_unary(f"/{proto.SERVICE}/ModelInfer")
    for asked, form in ((question(), PARTS), (question("nothing"), TOTAL)):
        call = method.future(asked.SerializeToString(), timeout=SECONDS)
        told = dict(call.trailing_metadata())["server-timing"]
        assert form.fullmatch(str(told))


def test_the_time_that_is_told_is_within_the_time_that_the_client_sees(served: Served) -> None:
    started = time.perf_counter()
    told = served.infer("slow", tensor("turns", [], [200], "INT64")).headers["server-timing"]
    seen = (time.perf_counter() - started) * 1e3
    queue, compute, total = (float(part.rpartition("=")[2]) for part in told.split(","))
    assert 10 < compute < queue + compute <= total < seen


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_metrics_are_served_in_either_format(served: Served, method: str) -> None:
    plain = served.rest.request(method, "/metrics")
    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    modern = served.rest.request(
        method, "/metrics", headers={"Accept": "application/openmetrics-text"}
    )
    assert modern.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert bool(modern.text) is (method == "GET")


def test_what_waits_and_what_is_in_flight_is_shown_while_it_lasts(served: Served) -> None:
    def gauges() -> list[float]:
        page = served.rest.get("/metrics").text
        names = ("inference_in_flight", "inference_queue_depth")
        slow = 'model="slow",version="1"'
        return [float(page.partition(f"\n{name}{{{slow}}} ")[2].split()[0]) for name in names]

    with served.slow(turns=2_000) as first, served.slow(turns=1) as second:
        assert gauges() == [2, 1]
        assert first.getresponse().status == second.getresponse().status == 200
    assert gauges() == [0, 0]
