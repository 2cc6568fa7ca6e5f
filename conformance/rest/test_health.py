"""Health: live, ready, model ready; what a true and a false answer look like."""

from typing import Any

from servespec.target.exchange import Exchange
from servespec.target.outcomes import NotApplicable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..strategies import SCALAR, request


def json_body(exchange: Exchange) -> Any:
    """The JSON value of a true health answer; not every server sends one."""
    media_type = exchange.must_succeed().header("Content-Type") or ""
    if not exchange.body or "json" not in media_type.lower():
        raise NotApplicable("the health answer has no JSON body")
    return exchange.json()


def shape(exchange: Exchange) -> str:
    """What kind of body an answer has, in a word."""
    if not exchange.body:
        return "empty"
    return "JSON" if "json" in (exchange.header("Content-Type") or "").lower() else "text"


@requirement("OIP-REST-HLTH-001")
def test_a_server_that_serves_is_live(target: Target) -> None:
    """An orchestrator kills what is not live: it must not kill what works."""
    for _ in range(10):
        target.rest.get("/v2/health/live").must_succeed()
    target.rest.infer("identity_fp32", request(SCALAR)).must_succeed()

    target.rest.get("/v2/health/live").must_succeed()


@requirement("OIP-REST-HLTH-004")
def test_the_status_of_a_false_answer_is_recorded(target: Target) -> None:
    """Sources name 4xx and 503 for false; who writes a probe wants to know which."""
    exchange = target.rest.get("/v2/models/absent_for_the_record/ready")

    target.record("status of a false health answer", exchange.must_answer_at_all().status)


@requirement("OIP-REST-HLTH-005")
def test_the_body_of_a_true_answer_is_recorded(target: Target) -> None:
    """Sources ask for an empty body and for JSON; a client has to take both."""
    for path in ("/v2/health/live", "/v2/health/ready"):
        target.record(f"body of {path}", shape(target.rest.get(path).must_answer_at_all()))


@requirement("OIP-REST-HLTH-006")
def test_a_live_answer_in_json_says_live(target: Target) -> None:
    """A client that reads the body must not read something else."""
    body = json_body(target.rest.get("/v2/health/live"))

    assert isinstance(body, dict), f"the body is {body!r}, not an object"
    assert body.get("live") is True, f"live is {body.get('live')!r}, not true"


@requirement("OIP-REST-HLTH-007")
def test_a_ready_answer_in_json_says_ready(target: Target) -> None:
    """The specification prints live, its web site ready: either, and a boolean."""
    body = json_body(target.rest.get("/v2/health/ready"))

    assert isinstance(body, dict), f"the body is {body!r}, not an object"
    said = {key: body[key] for key in ("ready", "live") if key in body}
    assert True in said.values(), f"neither ready nor live is true: {body}"
    target.record("member of a ready answer", ", ".join(said))


@requirement("OIP-REST-HLTH-008")
def test_a_model_ready_answer_in_json_names_the_model(target: Target) -> None:
    """A client that asks about many models can match the answers."""
    path = target.rest.model_path("identity_fp32", "")
    body = json_body(target.rest.get(f"{path}/ready"))

    assert isinstance(body, dict), f"the body is {body!r}, not an object"
    model = target.fixture("identity_fp32").model
    assert body.get("name") == model, f"name is {body.get('name')!r}, not {model!r}"
    assert isinstance(body.get("ready"), bool), f"ready is {body.get('ready')!r}, not a boolean"


@requirement("OIP-REST-HLTH-009")
def test_an_absent_model_is_not_ready(target: Target) -> None:
    """A router must not send work to a model that is not there."""
    target.rest.get("/v2/models/absent_for_readiness/ready").must_be_client_error()
