"""Inference Request and Inference Response: what is asked for, and what is said of it."""

import json
import re
from functools import partial
from typing import Any

import pytest
from hypothesis import example, given

from servespec.target.exchange import Exchange
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..judging import answered_together
from ..strategies import SCALAR, ids, request, tensor

ROW = tensor("x", "FP32", [1, 4], [1.0, 2.0, 3.0, 4.0])
A = tensor("a", "FP32", [1, 2], [5.0, 7.0])
B = tensor("b", "FP32", [1, 2], [1.0, 2.0])
UNKNOWN = {**SCALAR, "name": "unknown"}


@requirement("OIP-REST-INFER-001")
def test_a_well_formed_inference_is_answered(target: Target) -> None:
    """A client that follows the protocol gets what the protocol promises."""
    exchange = target.rest.infer("identity_fp32", request(ROW))

    exchange.must_succeed()
    media_type = (exchange.header("Content-Type") or "none").partition(";")[0].strip()
    assert media_type.lower() == "application/json", f"the answer's Content-Type is {media_type}"
    exchange.answer("model_name")
    exchange.answer("outputs")


@requirement("OIP-REST-INFER-002")
@given(id=ids)
@example(id="42")
@example(id="7f3e0a1c-5b0e-4c57-9a55-0d5b8a5d9f10")
@example(id="x" * 256)
@example(id='"\\"')
@example(id="\U0001f600")
def test_the_response_returns_the_request_id(target: Target, id: str) -> None:
    """A client that names its request can match the answer to the question."""
    exchange = target.rest.infer("identity_fp32", request(SCALAR, id=id))

    exchange.must_succeed()
    returned = exchange.answer("id")
    assert returned == id, f"the id {id!r} came back as {returned!r}"


@requirement("OIP-REST-INFER-003")
def test_concurrent_requests_get_their_own_answers(target: Target) -> None:
    """Clients of a busy server never see one another's data."""
    calls = [partial(_ask_own, target, number) for number in range(200)]

    for number, exchange in answered_together(target, calls):
        exchange.must_succeed()
        own = (f"own-{number}", [float(number)])
        got = (exchange.answer("id"), exchange.values("y"))
        assert got == own, f"the caller with id and data {own} got {got}"


def _ask_own(target: Target, number: int) -> Exchange:
    own = tensor("x", "FP32", [1, 1], [float(number)])
    return target.rest.infer("identity_fp32", request(own, id=f"own-{number}"))


@requirement("OIP-REST-INFER-004")
def test_what_is_the_id_of_a_request_without_one(target: Target) -> None:
    """A client that sends no id knows what to expect of it."""
    exchange = target.rest.infer("identity_fp32", request(SCALAR))

    exchange.must_succeed()
    if not exchange.has("id"):
        target.record("id when none is sent", "absent")
        return
    id = exchange.answer("id")
    assert isinstance(id, str), f"the id is {id!r}, which is no string"
    target.record("id when none is sent", "generated" if id else "empty")


@requirement("OIP-REST-INFER-005")
def test_an_id_is_optional(target: Target) -> None:
    """A client that matches answers by connection needs no id, whatever else it sends."""
    for more in ({}, {"outputs": [{"name": "y"}], "parameters": {}}):
        exchange = target.rest.infer("identity_fp32", request(SCALAR, **more))

        exchange.must_succeed()


@requirement("OIP-REST-INFER-006")
def test_an_id_that_is_a_number_is_not_dropped(target: Target) -> None:
    """A client that sends a number finds its answer, or learns that it must send a string."""
    exchange = target.rest.infer("identity_fp32", request(SCALAR, id=42))

    if exchange.status == 200:
        assert exchange.answer("id") == "42", f"the id 42 came back as {exchange.answer('id')!r}"
    else:
        exchange.must_be_client_error()
    target.record("id that is a number", "echoed" if exchange.status == 200 else "refused")


@requirement("OIP-REST-INFER-007")
def test_the_response_names_the_model(target: Target) -> None:
    """A client, or a log, can tell which model an answer is from."""
    exchange = target.rest.infer("identity_fp32", request(SCALAR))

    exchange.must_succeed()
    asked = target.fixture("identity_fp32").model
    expected = target.claim("oip-rest", "identity_fp32_is_alias_of", asked)
    named = exchange.answer("model_name")
    assert named == expected, f"the model {expected!r} answers as {named!r}"


@requirement("OIP-REST-INFER-008")
def test_the_response_names_the_version_that_ran(target: Target) -> None:
    """A client can tell which version of a model an answer is from."""
    ask = partial(target.rest.infer, "constant", request(SCALAR))
    metadata = target.rest.get(target.rest.model_path("constant", "")).must_succeed()
    versions = metadata.answer("versions") if metadata.has("versions") else []
    listed = [version for version in versions or () if isinstance(version, str)]

    exchange = ask(version="").must_succeed()
    ran = exchange.answer("model_version") if exchange.has("model_version") else None
    if ran is None and not listed:
        return  # a server without versions; whether it may say null is OIP-REST-INFER-009
    known = listed or [str(ran)]
    assert ran in known, f"{ran!r} is said to have run; the versions are {known}"
    for version in known:
        answer = ask(version=version).must_succeed()
        named = answer.answer("model_version")
        assert named == version, f"version {version!r} was asked, {named!r} is said to have run"
        same = version != ran or answer.values("y") == exchange.values("y")
        assert same, f"the answer is not that of version {ran!r}, which is said to have run"


@requirement("OIP-REST-INFER-009")
def test_the_version_is_a_string(target: Target) -> None:
    """A client in a typed language can read the version."""
    exchange = target.rest.infer("identity_fp32", request(SCALAR, id="versioned"))

    exchange.must_succeed()
    if exchange.has("model_version"):
        version = exchange.answer("model_version")
        assert isinstance(version, str), f"model_version is {version!r}, not a string"


@requirement("OIP-REST-INFER-010")
@pytest.mark.parametrize("body", [{"id": "no inputs"}, {"outputs": [{"name": "y"}]}])
def test_inputs_are_required(target: Target, body: dict[str, Any]) -> None:
    """A client that forgets the inputs is told."""
    exchange = target.rest.infer("identity_fp32", body)

    exchange.must_be_client_error()


@requirement("OIP-REST-INFER-011")
@pytest.mark.parametrize("member", ["name", "shape", "datatype", "data"])
def test_no_member_of_an_input_is_guessed(target: Target, member: str) -> None:
    """A client that forgets a member of an input is told."""
    incomplete = {key: value for key, value in ROW.items() if key != member}
    exchange = target.rest.infer("identity_fp32", request(incomplete))

    exchange.must_be_client_error()


@requirement("OIP-REST-INFER-012")
def test_a_missing_model_input_is_named(target: Target) -> None:
    """A client that forgets one of several inputs is told which."""
    exchange = target.rest.infer("add_sub", request(A))

    exchange.must_be_client_error()
    missing = target.fixture("add_sub").tensor("b")
    assert re.search(rf"(?<!\w){re.escape(missing)}(?!\w)", exchange.raw_text), (
        f"the refusal does not name the missing input {missing}"
    )


@requirement("OIP-REST-INFER-013")
@pytest.mark.parametrize("inputs", [[UNKNOWN], [SCALAR, UNKNOWN]])
def test_an_input_that_the_model_does_not_have_is_refused(
    target: Target, inputs: list[dict[str, Any]]
) -> None:
    """A client that misspells an input is told; its data is neither ignored nor guessed."""
    exchange = target.rest.infer("identity_fp32", request(*inputs))

    exchange.must_be_client_error()


@requirement("OIP-REST-INFER-014")
def test_an_input_given_twice_is_refused(target: Target) -> None:
    """A client that repeats an input is told; the server does not choose one."""
    exchange = target.rest.infer("identity_fp32", request(SCALAR, {**SCALAR, "data": [2.0]}))

    exchange.must_be_client_error()


@requirement("OIP-REST-INFER-015")
def test_inputs_are_bound_by_name(target: Target) -> None:
    """A client may list its inputs in any order."""
    exchange = target.rest.infer("add_sub", request(B, A, outputs=[{"name": "difference"}]))

    exchange.must_succeed()
    found = exchange.values("difference")
    assert found == [4.0, 5.0], f"a - b came back as {found}, not [4, 5]"


@requirement("OIP-REST-INFER-031")
@pytest.mark.parametrize(
    "body",
    [
        request(ROW, **{"x-foo": {"deep": [None]}, "model_name": "identity_fp32"}),
        request({**ROW, "x-foo": "bar"}),
        request(ROW, outputs=[{"name": "y", "x-foo": None}]),
    ],
    ids=["request", "input", "output"],
)
def test_unknown_members_are_ignored(target: Target, body: dict[str, Any]) -> None:
    """A client that speaks an extension still gets an answer of a server without it."""
    exchange = target.rest.infer("identity_fp32", body)

    exchange.must_succeed()
    assert exchange.values("y") == ROW["data"], f"the answer became {exchange.values('y')}"


@requirement("OIP-REST-INFER-032")
def test_inference_is_stateless(target: Target) -> None:
    """A client gets the same answer whoever asked what before."""
    asked = [
        request(tensor("x", "FP32", [1, 7], [float(n * factor) for factor in range(7)]))
        for n in range(25)
    ]
    first = [target.rest.infer("row_sum", body).must_succeed().values("y") for body in asked]

    for body, values in reversed([*zip(asked, first, strict=True)]):
        again = target.rest.infer("row_sum", body).must_succeed().values("y")
        assert again == values, f"the same request gave {values}, then {again}"


@requirement("OIP-REST-INFER-033")
def test_inference_is_not_a_get(target: Target) -> None:
    """A crawler or a prefetching proxy never starts an inference."""
    exchange = target.rest.get(target.rest.infer_path("identity_fp32"))

    exchange.must_be_client_error()


@requirement("OIP-REST-INFER-034")
def test_duplicate_members_are_always_read_alike(target: Target) -> None:
    """A client that repeats a member gets the same answer to the same bytes."""
    name = json.dumps(target.fixture("identity_fp32").tensor("x"))
    body = f"""{{"id": "first", "id": "last", "inputs": [{{"name": {name}, "shape": [1, 1],
        "datatype": "FP32", "data": [1.0], "data": [2.0]}}]}}""".encode()
    chosen = {_chosen(target.rest.infer("identity_fp32", body)) for _ in range(4)}

    assert len(chosen) == 1, f"the same bytes were read as {' and as '.join(sorted(chosen))}"
    target.record("duplicate members", chosen.pop())


def _chosen(exchange: Exchange) -> str:
    if exchange.must_not_crash().status != 200:
        return f"refused with {exchange.status}"
    id = exchange.answer("id") if exchange.has("id") else None
    return f"id {id!r} with data {exchange.values('y')}"
