"""The REST door of a running server."""

import numpy as np
import pytest

from .serving import Served, tensor

ROW = tensor("x", [1, 2], [1.0, 2.0])


def test_an_inference_is_answered_with_its_id_and_the_version_that_ran(served: Served) -> None:
    answer = served.infer("echo", ROW, id="7").json()
    assert (answer["id"], answer["model_version"]) == ("7", "1")
    assert answer["outputs"][0]["data"] == [1.0, 2.0]


def test_only_the_requested_outputs_come_in_the_order_of_the_request(served: Served) -> None:
    pair = (tensor("b", [1, 1], [3.0]), tensor("a", [1, 1], [5.0]))
    outputs = [{"name": "difference"}, {"name": "sum"}]
    answer = served.infer("pair", *pair, outputs=outputs).json()
    assert [(output["name"], output["data"]) for output in answer["outputs"]] == [
        ("difference", [2.0]),
        ("sum", [8.0]),
    ]


def test_the_latest_version_is_the_largest_number_and_older_ones_stay(served: Served) -> None:
    one = tensor("x", [1], [1.0])
    assert served.infer("versioned", one).json()["outputs"][0]["data"] == [-1.0]
    assert served.infer("versioned/versions/2", one).json()["outputs"][0]["data"] == [1.0]


def test_model_metadata_names_every_version_and_tensor(served: Served) -> None:
    assert served.rest.get("/v2/models/versioned").json() == {
        "name": "versioned",
        "versions": ["2", "10"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1]}],
    }


def test_server_metadata_lists_what_is_served(served: Served) -> None:
    for path in ("/v2", "/v2/"):
        extensions = served.rest.get(path).json()["extensions"]
        assert extensions == ["binary_tensor_data", "schedule_policy"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
        ("/v2/models/echo/ready", {"name": "echo", "ready": True}),
        ("/v2/models/echo/versions/1/ready", {"name": "echo", "ready": True}),
        ("/v2/models/ech%6F/ready?verbose=1", {"name": "echo", "ready": True}),
    ],
)
def test_health_is_answered_and_head_is_get_without_a_body(
    served: Served, path: str, body: dict[str, object]
) -> None:
    assert served.rest.get(path).json() == body
    head = served.rest.head(path)
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v2/nothing",
        "/v2/models",
        "/v2/models/echo/",
        "/v2/models/echo/versions",
        "/v2/models/echo/versions//ready",
        "/v2/models/echo/versions/9",
        "/v2/models/echo/versions/v1",
        "/v2/models/Echo",
        "/v2/models/echo%00",
        "/v2/models/%65%63%68%256F",
        "/v2/models/..%2Fmodels%2Fecho",
        "/v2/models/%2e%2e/ready",
        "/v2/models/%ff",
    ],
)
def test_what_is_not_there_is_404_with_an_error_object(served: Served, path: str) -> None:
    answer = served.rest.get(path)
    assert answer.status_code == 404
    assert isinstance(answer.json()["error"], str)


def test_a_model_that_is_not_there_is_told_before_its_body_is_looked_at(served: Served) -> None:
    for body in (b"no JSON", b""):
        assert served.rest.post("/v2/models/nothing/infer", content=body).status_code == 404


def test_a_method_that_a_route_does_not_serve_is_405_and_options_says_which(
    served: Served,
) -> None:
    path = "/v2/models/echo/infer"
    assert served.rest.get(path).status_code == 405
    assert served.rest.get(path).headers["allow"] == "POST, OPTIONS"
    assert served.rest.delete("/v2").headers["allow"] == "GET, HEAD, OPTIONS"
    options = served.rest.options(path)
    assert (options.status_code, options.headers["allow"]) == (204, "POST, OPTIONS")


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("Application/JSON; charset=utf-8", 200),
        ("text/plain", 415),
        ("application/octet-stream", 415),
    ],
)
def test_a_body_is_read_if_its_media_type_is_known(
    served: Served, content_type: str, status: int
) -> None:
    body = b'{"inputs":[{"name":"x","shape":[1,1],"datatype":"FP32","data":[1]}]}'
    headers = {"Content-Type": content_type}
    answer = served.rest.post("/v2/models/echo/infer", content=body, headers=headers)
    assert answer.status_code == status


def test_a_body_without_a_media_type_is_read_as_json(served: Served) -> None:
    body = b'{"inputs":[{"name":"x","shape":[1,1],"datatype":"FP32","data":[1]}]}'
    assert served.rest.post("/v2/models/echo/infer", content=body).status_code == 200


def test_a_binary_tensor_goes_in_and_comes_out_as_bytes(served: Served) -> None:
    raw = np.array([1.5, 2.5], "<f4").tobytes()
    text = (
        b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32",'
        b'"parameters":{"binary_data_size":8}}],"parameters":{"binary_data_output":true}}'
    )
    headers = {
        "Inference-Header-Content-Length": str(len(text)),
        "Content-Type": "application/octet-stream",
    }
    answer = served.rest.post("/v2/models/echo/infer", content=text + raw, headers=headers)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.content[int(answer.headers["inference-header-content-length"]) :] == raw


@pytest.mark.parametrize("length", ["-1", "x", "9" * 30, "99", ""])
def test_a_header_length_that_cannot_be_is_400(served: Served, length: str) -> None:
    headers = {"Inference-Header-Content-Length": length}
    answer = served.rest.post("/v2/models/echo/infer", content=b"{}", headers=headers)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ([], "input 'x' is missing"),
        ([tensor("z", [1, 1], [1.0])], "unknown input 'z'; expected 'x'"),
        ([tensor("x", [1, 1], [1.0], "FP64")], "input 'x': datatype FP64; expected FP32"),
        ([tensor("x", [2], [1.0, 2.0])], "input 'x': shape [2]; expected [-1, 3]"),
        ([tensor("x", [1, 2], [1.0, 2.0])], "input 'x': shape [1, 2]; expected [-1, 3]"),
    ],
)
def test_a_request_that_does_not_fit_the_model_is_told_why(
    served: Served, inputs: list[dict[str, object]], text: str
) -> None:
    answer = served.infer("fixed", *inputs)
    assert (answer.status_code, answer.json()) == (400, {"error": text})


def test_a_shape_of_terabytes_is_refused_at_no_cost(served: Served) -> None:
    answer = served.infer("echo", tensor("x", [2**40, 2**40], [1.0]))
    assert answer.status_code == 400


def test_a_model_that_raises_is_500_without_a_word_of_the_machine(served: Served) -> None:
    inputs = (tensor("x", [3], [1.0, 2.0, 3.0]), tensor("shape", [1], [7], "INT64"))
    answer = served.infer("picky", *inputs)
    assert answer.status_code == 500
    assert answer.json() == {"error": "model 'picky' version '1' raised while it ran"}
    assert served.infer("echo", ROW).status_code == 200


def test_strings_that_the_runtime_cannot_hold_are_400(served: Served) -> None:
    text = (
        b'{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES",'
        b'"parameters":{"binary_data_size":6}}]}'
    )
    headers = {"Inference-Header-Content-Length": str(len(text))}
    body = text + b"\x02\x00\x00\x00\xff\xfe"
    answer = served.rest.post("/v2/models/echo_bytes/infer", content=body, headers=headers)
    assert answer.status_code == 400
    assert "'x'" in answer.json()["error"]
