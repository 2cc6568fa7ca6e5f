"""Routes: which there are, how names and versions stand in them."""

from urllib.parse import quote

import pytest

from servespec.target.exchange import Exchange
from servespec.target.outcomes import NotApplicable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..strategies import SCALAR, request, tensor

LACKING = {404, 405, 501}
HOSTILE = ["..%2f..%2fetc%2fpasswd", "%2e%2e", "..%2fidentity_fp32", "%00", "a%00b", "%2F"]
UNKNOWN = ["/v2/nope", "/v2/health/nope", "/v2/health", "/v2/models/identity_fp32/nope"]


def model_routes(target: Target, fixture: str, version: str) -> list[Exchange]:
    """Metadata, readiness and one inference of a model that takes `x` [1, 1]."""
    path = target.rest.model_path(fixture, version)
    datatype = "INT32" if fixture == "identity_int32" else "FP32"
    one = request(tensor("x", datatype, [1, 1], [1]))
    return [
        target.rest.get(path),
        target.rest.get(f"{path}/ready"),
        target.rest.infer(fixture, one, version=version),
    ]


def must_serve_versions(exchange: Exchange) -> None:
    """A server without versions may say 501 to all of them (OIP-REST-PATH-006)."""
    if exchange.must_answer_at_all().status == 501:
        raise NotApplicable("the server has no versions: 501")


@requirement("OIP-REST-PATH-001")
def test_all_six_routes_are_served(target: Target) -> None:
    """A client generated from the specification finds every route."""
    model = target.rest.model_path("row_sum")
    routes = ["/v2/health/live", "/v2/health/ready", "/v2", f"{model}/ready", model]

    answers = [target.rest.get(route) for route in routes]
    answers.append(target.rest.infer("row_sum", request(tensor("x", "FP32", [1, 2], [1, 2]))))

    for exchange in answers:
        status = exchange.must_answer_at_all().status
        assert status not in LACKING, f"{exchange.asked} is not served: {status}"


@requirement("OIP-REST-PATH-002")
def test_routes_without_a_version_exist(target: Target) -> None:
    """A client that names no version is served."""
    for exchange in model_routes(target, "identity_int32", ""):
        exchange.must_succeed()


@requirement("OIP-REST-PATH-003")
def test_routes_exist_for_every_listed_version(target: Target) -> None:
    """A client that pins a version is served with it."""
    metadata = target.rest.model_metadata("constant")
    versions = metadata.answer("versions") if metadata.has("versions") else None
    if not versions:
        raise NotApplicable("the model's metadata lists no versions")

    for version in versions:
        for exchange in model_routes(target, "constant", str(version)):
            exchange.must_succeed()


@requirement("OIP-REST-PATH-004")
def test_a_version_may_be_any_label(target: Target) -> None:
    """A version is a string: a label that is no number is looked up, and the same way each time."""
    path = target.rest.model_path("identity_fp32", "v10")

    first, second = target.rest.get(path), target.rest.get(path)
    must_serve_versions(first)

    target.record("version v10", f"{first.status} {first.header('Content-Type')}")
    assert first.must_not_crash().status == second.must_not_crash().status, (
        f"the same request was answered {first.status}, then {second.status}"
    )


@requirement("OIP-REST-PATH-005")
def test_an_unknown_version_is_never_replaced(target: Target) -> None:
    """Who pins a version must not get the answer of another."""
    exchange = target.rest.infer("identity_fp32", request(SCALAR), version="424242")
    must_serve_versions(exchange)

    exchange.must_be_client_error()


@requirement("OIP-REST-PATH-006")
def test_a_server_without_versions_says_so(target: Target) -> None:
    """A client of versions learns that there are none here."""
    exchange = target.rest.get(target.rest.model_path("identity_uint8", "1"))
    if exchange.must_answer_at_all().status == 200:
        raise NotApplicable("versioned routes are served")

    exchange.must_answer(404, 501)
    exchange.error()


@requirement("OIP-REST-PATH-007")
def test_a_trailing_slash_on_v2_changes_nothing(target: Target) -> None:
    """The prose says v2, the OpenAPI file /v2/: clients use both."""
    bare, slash = target.rest.get("/v2"), target.rest.get("/v2/")
    redirected = [each for each in (bare, slash) if each.status in {307, 308}]

    served = [each.must_succeed().json() for each in (bare, slash) if each not in redirected]

    assert served, "each of /v2 and /v2/ redirects"
    for exchange in redirected:
        location = exchange.header("Location") or ""
        assert location.rstrip("/").endswith("/v2"), f"redirects to {location!r}"
    assert served[0] == served[-1], f"/v2 is answered {served[0]}, /v2/ {served[-1]}"


@requirement("OIP-REST-PATH-008", name="model")
def test_the_case_of_a_model_name_matters(target: Target) -> None:
    """Two models whose names differ in case only are two models."""
    path = target.rest.model_path("identity_fp32", "")
    name = path.rpartition("/")[2]

    exchange = target.rest.get(path.replace(name, name.swapcase()))

    exchange.must_be_client_error()


@requirement("OIP-REST-PATH-008", name="tensor")
def test_the_case_of_a_tensor_name_matters(target: Target) -> None:
    """Two inputs whose names differ in case only are two inputs."""
    name = target.fixture("identity_fp32").tensor("x")

    exchange = target.rest.infer("identity_fp32", request({**SCALAR, "name": name.swapcase()}))

    exchange.must_be_client_error()


@requirement("OIP-REST-PATH-008", name="datatype")
def test_the_case_of_a_datatype_matters(target: Target) -> None:
    """A request that one server reads is not another's error for a letter's case."""
    exchange = target.rest.infer("identity_int32", request(tensor("x", "int32", [1, 1], [1])))

    exchange.must_be_client_error()


@requirement("OIP-REST-PATH-009", name="decoded")
def test_a_percent_encoded_name_is_decoded(target: Target) -> None:
    """Clients encode what they are not sure of."""
    path = target.rest.model_path("identity_fp32", "")
    name = path.rpartition("/")[2]

    exchange = target.rest.get(path.replace(name, f"%{ord(name[0]):02X}{name[1:]}"))

    exchange.must_succeed()


@requirement("OIP-REST-PATH-009", name="once")
def test_a_percent_encoded_name_is_decoded_once_only(target: Target) -> None:
    """What was decoded twice may have passed a gateway's rules as something else."""
    path = target.rest.model_path("identity_fp32", "")
    name = path.rpartition("/")[2]
    twice = quote(f"%{ord(name[0]):02X}{name[1:]}")

    exchange = target.rest.get(path.replace(name, twice))

    exchange.must_be_client_error()


@requirement("OIP-REST-PATH-010")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_model_name_never_leaves_its_namespace(target: Target, name: str) -> None:
    """Who can name a model cannot name a file."""
    target.rest.get(f"/v2/models/{name}/ready").must_be_client_error()
    target.rest.post(f"/v2/models/{name}/infer", request(SCALAR)).must_be_client_error()

    target.rest.get("/v2/health/live").must_succeed()


@requirement("OIP-REST-PATH-013")
@pytest.mark.parametrize("path", UNKNOWN)
def test_an_unknown_route_is_not_found(target: Target, path: str) -> None:
    """A client of a newer protocol learns that this server is older."""
    target.rest.get(path).must_answer(404)
