"""Which version serves: weights, keys, overrides, and versions that cannot be asked."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servespec.stats.distributions import binomial_cdf
from servespec.wire import proto

from ..errors import LoadError
from ..model_file import read_model_file
from ..routing import pick
from .models import write_models
from .serving import Served, serving, tensor

KEYS = [str(number).encode() for number in range(20_000)]
NAMES = {"1": 1.0, "2": -1.0}
"""The answer of each version of `routed` to 1."""


def shares(weights: Mapping[str, float]) -> Counter[str]:
    """How many keys go to each version."""
    return Counter(pick("m", key, weights) for key in KEYS)


def moved(before: Mapping[str, float], after: Mapping[str, float]) -> Counter[tuple[str, str]]:
    """From where to where keys move."""
    pairs = ((pick("m", key, before), pick("m", key, after)) for key in KEYS)
    return Counter(pair for pair in pairs if pair[0] != pair[1])


@pytest.mark.parametrize("share", [0.01, 0.25, 0.5])
def test_each_version_gets_its_share_of_the_keys(share: float) -> None:
    found = shares({"1": 1 - share, "2": share})["2"]
    assert binomial_cdf(found, len(KEYS), share) > 0.0005
    assert binomial_cdf(found - 1, len(KEYS), share) < 0.9995


def test_weights_are_relative_to_one_another() -> None:
    assert not moved({"1": 9, "2": 1}, {"1": 0.9, "2": 0.1})


def test_a_version_that_grows_takes_just_the_keys_that_it_needs() -> None:
    found = moved({"1": 90, "2": 5, "3": 5}, {"1": 90, "2": 30, "3": 5})
    assert set(found) == {("1", "2"), ("3", "2")}
    assert found.total() == pytest.approx((30 / 125 - 5 / 100) * len(KEYS), rel=0.1)


def test_a_version_that_goes_moves_no_other_key() -> None:
    found = moved({"1": 1, "2": 1, "3": 1}, {"1": 1, "3": 1})
    assert {source for source, _ in found} == {"2"}


def test_two_models_draw_the_same_keys_independently() -> None:
    same = sum(pick("a", key, NAMED) == pick("b", key, NAMED) for key in KEYS)
    assert same / len(KEYS) == pytest.approx(0.5, abs=0.02)


NAMED = {"1": 1.0, "2": 1.0}


@given(
    st.binary(max_size=40),
    st.dictionaries(st.sampled_from("123456"), st.floats(1e-300, 1e9), min_size=1),
)
def test_any_key_and_any_weights_pick_one_of_the_versions(
    key: bytes, weights: dict[str, float]
) -> None:
    assert pick("m", key, weights) in weights


ROUTES = """[routes]
weights = { "1" = 3, "2" = 1 }
sticky = { %s = "user" }
"""


@pytest.fixture(scope="module")
def routed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two models of two versions each: one goes by a parameter, the other by a header."""
    models = write_models(tmp_path_factory.mktemp("models"), "versioned/2", "versioned/10")
    for name, place in (("by_parameter", "parameter"), ("by_header", "header")):
        for version, source in (("1", "2"), ("2", "10")):
            (models / name / version).mkdir(parents=True)
            graph = (models / "versioned" / source / "model.onnx").read_bytes()
            (models / name / version / "model.onnx").write_bytes(graph)
        (models / name / "model.toml").write_text(ROUTES % place + "[cache]\n")
    with serving(models) as server:
        yield server.becomes_ready()


def ask(
    server: Served, model: str = "by_parameter", path: str = "", **sent: Any
) -> tuple[str, float]:
    """The version that an answer names, in its body and its header, and what it computed."""
    headers = sent.pop("headers", {})
    body = {"inputs": [tensor("x", [1], [1.0])], **sent}
    answer = server.rest.post(f"/v2/models/{model}{path}/infer", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["model_version"] == answer.headers["model-version"]
    return said["model_version"], said["outputs"][0]["data"][0]


def over_grpc(server: Served) -> "grpc.UnaryUnaryMultiCallable[bytes, bytes]":
    """The method, to be called with metadata."""
    return server.channel.unary_unary(f"/{proto.SERVICE}/ModelInfer")


def test_requests_without_a_key_are_spread_by_weight_and_each_names_its_version(
    routed: Served,
) -> None:
    answers = [ask(routed) for _ in range(400)]
    assert all(value == NAMES[version] for version, value in answers)  # cached ones too
    found = Counter(version for version, _ in answers)["2"]
    assert binomial_cdf(found, 400, 0.25) > 0.0005
    assert binomial_cdf(found - 1, 400, 0.25) < 0.9995


@pytest.mark.parametrize("user", ["ada", "bob", 7, True])
def test_a_parameter_keeps_its_version(routed: Served, user: object) -> None:
    assert len({ask(routed, parameters={"user": user}) for _ in range(20)}) == 1


def test_a_header_keeps_its_version(routed: Served) -> None:
    seen = set()
    for number in range(20):
        headers = {"User": f"user-{number}"}
        answers = {ask(routed, "by_header", headers=headers) for _ in range(5)}
        assert len(answers) == 1
        seen |= answers
    assert {version for version, _ in seen} == {"1", "2"}


@pytest.mark.parametrize("model", ["by_parameter", "by_header"])
def test_an_empty_key_is_none(routed: Served, model: str) -> None:
    answers = {
        ask(routed, model, parameters={"user": ""}, headers={"User": ""})[0] for _ in range(80)
    }
    assert answers == {"1", "2"}  # but for one case in 10^10


def test_both_planes_agree_on_a_key(routed: Served) -> None:
    for user in ("ada", "bob", "eve", "mallory", "trent"):
        over_rest, _ = ask(routed, parameters={"user": user})
        request = proto.ModelInferRequest(model_name="by_parameter")
        x = request.inputs.add(name="x", datatype="FP32", shape=[1])
        x.contents.fp32_contents[:] = [1.0]
        request.parameters["user"].string_param = user
        reply = routed.call("ModelInfer", request)
        assert isinstance(reply, proto.ModelInferResponse)
        assert reply.model_version == over_rest


def test_a_path_or_a_header_overrides_weights_and_keys(routed: Served) -> None:
    key: dict[str, Any] = {"parameters": {"user": "ada"}}
    for version in ("1", "2"):
        wanted = version, NAMES[version]
        assert ask(routed, path=f"/versions/{version}", **key) == wanted
        assert ask(routed, headers={"Model-Version": version}, **key) == wanted
    assert ask(routed, path="/versions/1", headers={"Model-Version": "2"}) == ("1", 1.0)


def test_metadata_overrides_over_grpc_and_the_answer_names_the_version(routed: Served) -> None:
    request = proto.ModelInferRequest(model_name="by_header")
    request.inputs.add(name="x", datatype="FP32", shape=[1]).contents.fp32_contents[:] = [1.0]
    method = over_grpc(routed)
    for version in ("1", "2"):
        sent = (("model-version", version),)
        data, call = method.with_call(request.SerializeToString(), metadata=sent, timeout=10)
        reply = proto.ModelInferResponse.FromString(data)
        assert (reply.model_version, reply.outputs[0].contents.fp32_contents[0]) == (
            version,
            NAMES[version],
        )
        assert dict(call.trailing_metadata())["model-version"] == version


def test_an_override_to_a_version_that_is_not_there_is_refused(routed: Served) -> None:
    body = {"inputs": [tensor("x", [1], [1.0])]}
    path = "/v2/models/by_parameter/infer"
    answer = routed.rest.post(path, json=body, headers={"Model-Version": "7"})
    assert (answer.status_code, "no version '7'" in answer.text) == (404, True)
    request = proto.ModelInferRequest(model_name="by_parameter")
    method = over_grpc(routed)
    with pytest.raises(grpc.RpcError) as failed:
        method(request.SerializeToString(), metadata=(("model-version", "7"),), timeout=10)
    assert failed.value.code() is grpc.StatusCode.NOT_FOUND


def test_requests_and_errors_are_counted_by_the_version_that_served(tmp_path: Path) -> None:
    models = write_models(tmp_path, "versioned/2", "versioned/10")
    (models / "versioned" / "model.toml").write_text('[routes]\nweights = { "2" = 1 }\n')
    with serving(models) as server:
        server.becomes_ready()
        server.infer("versioned", tensor("x", [1], [1.0]))
        refused = server.infer("versioned", tensor("wrong", [1], [1.0]))
        assert (refused.status_code, refused.headers["model-version"]) == (400, "2")
        page = server.rest.get("/metrics").text
        for code in ("200", "400"):
            labels = f'code="{code}",model="versioned",plane="rest",version="2"'
            assert f"inference_requests_total{{{labels}}} 1\n" in page
        assert 'inference_in_flight{model="versioned",version="2"} 0\n' in page
        assert 'inference_request_seconds_count{model="versioned",version="10"} 0\n' in page


@pytest.fixture
def half_broken(tmp_path: Path) -> Path:
    """Weights over a version that loads, and one that does not."""
    models = write_models(tmp_path, "versioned/2", "versioned/10")
    (models / "versioned" / "2" / "model.onnx").write_bytes(b"no model")
    return models


@pytest.mark.parametrize(("weights", "status"), [('"2" = 9, "10" = 1', 200), ('"2" = 1', 503)])
def test_who_would_get_a_version_that_is_not_ready_gets_another_that_has_a_weight(
    half_broken: Path, weights: str, status: int
) -> None:
    (half_broken / "versioned" / "model.toml").write_text(f"[routes]\nweights = {{ {weights} }}\n")
    with serving(half_broken) as server:
        while server.rest.get("/v2/models/versioned/versions/10/ready").status_code != 200:
            pass
        answers = [server.infer("versioned", tensor("x", [1], [1.0])) for _ in range(20)]
        assert {answer.status_code for answer in answers} == {status}
        assert {answer.headers.get("model-version") for answer in answers} <= {"10", None}


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ('weights = { "1" = 0 }', "routes.weights: expected one above 0"),
        ('weights = { "1" = -1 }', "routes.weights[...]: Expected `float` >= 0.0"),
        ('weights = { "1" = nan }', "routes.weights[...]: Expected `float` >= 0.0"),
        ("sticky = {}", "routes.sticky: expected either header or parameter"),
        ('weights = { "1" = 1 }\nmirror = "1"', "routes.mirror: expected a version without"),
    ],
)
def test_a_mistake_in_the_routes_of_a_model_is_told(
    tmp_path: Path, said: str, complaint: str
) -> None:
    (tmp_path / "model.toml").write_text(f"[routes]\n{said}\n")
    with pytest.raises(LoadError, match=r"model\.toml") as failed:
        read_model_file(tmp_path)
    assert complaint in str(failed.value)
