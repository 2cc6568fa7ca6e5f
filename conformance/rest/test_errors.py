"""Error answers: their status, the error object, and what its text may say."""

import re
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servespec.target.exchange import Exchange
from servespec.target.outcomes import Untestable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..judging import answered_together, must_serve_or_refuse
from ..malformed import BROKEN_JSON, MALFORMED, NO_REQUESTS, written
from ..strategies import SCALAR, request, tensor

ABSENT = "/v2/models/servespec-absent"
MISTAKES = st.sampled_from(sorted(MALFORMED))
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
PAIRS = 200
LEAK = re.compile(
    r"(?<![\w.:/])/(?:usr|home|opt|var|etc|tmp|root|app|srv|mnt|proc|work|workspace|build|lib)/\w"
    r"|\b[A-Z]:\\\w"  # paths of Windows
    r"|Traceback \(most recent|File \"[^\"]+\", line \d|\bat java\."
    r"|[\w./-]+\.py:\d"  # a line of source; those of compiled code lie on another machine
    r"|\b(?:PATH|HOME|PWD|USER|HOSTNAME|LD_LIBRARY_PATH|PYTHONPATH)="
)


@pytest.fixture(scope="module")
def refusing(target: Target) -> Target:
    """The target; where it minds no mistake at all there is no error to judge."""
    if not any(_refusal(target, mistake) for mistake in sorted(MALFORMED)):
        raise Untestable("the target refused none of the malformed requests")
    return target


def _refusal(target: Target, mistake: str) -> Exchange | None:
    """The answer to a malformed request; None where the target does not mind the mistake."""
    exchange = target.rest.infer("identity_fp32", MALFORMED[mistake], fresh=True)
    return exchange if exchange.must_answer_at_all().status >= 400 else None


@requirement("OIP-REST-ERR-001")
@given(mistake=MISTAKES)
def test_a_failed_inference_answers_an_error_object(refusing: Target, mistake: str) -> None:
    """A client reads why its inference failed, always in the same place."""
    refusal = _refusal(refusing, mistake)

    if refusal:
        refusal.error()


@requirement("OIP-REST-ERR-002")
def test_failed_metadata_answers_an_error_object(target: Target) -> None:
    """A client reads why there is no metadata, always in the same place."""
    version = target.rest.model_path("identity_fp32", "999999")
    refused = [target.rest.get(path) for path in (ABSENT, version)]

    for exchange in refused:
        assert exchange.must_answer_at_all().status >= 400, f"there is no {exchange.request.url}"
        exchange.error()


@requirement("OIP-REST-ERR-003", name="request")
@given(mistake=MISTAKES)
def test_a_malformed_request_is_400_or_422(refusing: Target, mistake: str) -> None:
    """A client tells its own mistakes from all others by the status."""
    refusal = _refusal(refusing, mistake)

    if refusal and refusal.status < 500:
        refusing.record(mistake, refusal.must_answer(400, 422).status)


@requirement("OIP-REST-ERR-003", name="unknown")
def test_an_inference_on_an_unknown_model_or_version_is_404(target: Target) -> None:
    """A client tells a missing model from a malformed request by the status."""
    version = target.rest.infer_path("identity_fp32", "999999")

    target.rest.post(f"{ABSENT}/infer", request(SCALAR)).must_answer(404)
    # 501 is for servers without versions: OIP-REST-PATH-006.
    target.rest.post(version, request(SCALAR)).must_answer(404, 501)


@requirement("OIP-REST-ERR-004")
@given(mistake=MISTAKES)
def test_a_mistake_of_the_client_is_no_failure_of_the_server(target: Target, mistake: str) -> None:
    """An operator's alarms ring for the server's failures only."""
    exchange = target.rest.infer("identity_fp32", MALFORMED[mistake], fresh=True)

    exchange.must_not_crash()


@requirement("OIP-REST-ERR-005")
def test_a_model_that_raises_answers_an_error_and_serves_on(target: Target) -> None:
    """A client learns that the model failed; the next one is served."""
    failed = target.rest.infer("fail", request(SCALAR), fresh=True)
    served = target.rest.infer("identity_fp32", request(SCALAR), fresh=True)

    claimed = target.claim("oip-rest", "model_error_status")
    assert failed.must_answer_at_all().status >= 400, "a model raised and its answer is no error"
    assert claimed in (failed.status, None), f"{failed.status} came, {claimed} is claimed"
    target.record("status of a model that raised", failed.status)
    failed.error()
    served.must_succeed()


@requirement("OIP-REST-ERR-006")
@given(mistake=st.sampled_from(["another datatype", "too few elements"]))
def test_the_error_text_says_what_is_wrong(refusing: Target, mistake: str) -> None:
    """A client finds its mistake without the server's source; a stranger finds nothing else."""
    refusal = _refusal(refusing, mistake)

    if refusal:
        text = refusal.error()
        name = re.escape(refusing.fixture("identity_fp32").tensor("x"))
        words = rf"\b(?:{name}|shape|data ?type|FP32|BYTES|elements?)\b|2, ?2"
        assert re.search(words, text, re.I), f"{text!r} names no tensor, shape or datatype"
        assert not LEAK.search(text), f"{text!r} shows the server's inside"


@requirement("OIP-REST-ERR-007")
@given(mistake=MISTAKES)
def test_an_error_says_that_it_is_json(refusing: Target, mistake: str) -> None:
    """A client parses errors by their media type."""
    refusal = _refusal(refusing, mistake)

    if refusal:
        said = refusal.header("Content-Type") or "nothing"
        kind = said.partition(";")[0].strip().lower()
        assert kind in ("application/json", "application/problem+json"), f"an error is {said}"
        if kind == "application/problem+json":
            refusal.error()


@requirement("OIP-REST-ERR-008", name="syntax")
@given(body=st.sampled_from(BROKEN_JSON))
def test_a_body_that_is_no_json_is_400(target: Target, body: bytes) -> None:
    """A client whose body was cut learns that it was."""
    exchange = target.rest.infer("identity_fp32", body, fresh=True)

    exchange.must_answer(400).error()


@requirement("OIP-REST-ERR-008", name="type")
@given(body=st.sampled_from(NO_REQUESTS))
def test_json_that_is_no_object_is_400_or_422(target: Target, body: bytes) -> None:
    """A client that sends another JSON value learns that it is no request."""
    exchange = target.rest.infer("identity_fp32", body, fresh=True)

    exchange.must_answer(400, 422).error()


@requirement("OIP-REST-ERR-009")
def test_an_empty_body_is_refused_at_once(target: Target) -> None:
    """A client that forgets its body waits for nothing."""
    exchange = target.rest.infer("identity_fp32", b"", fresh=True)

    exchange.must_be_client_error()


@requirement("OIP-REST-ERR-010")
def test_a_byte_order_mark_is_ignored_or_refused(target: Target) -> None:
    """A client whose editor writes a byte order mark gets its answer or a reason."""
    x = target.fixture("identity_fp32").tensor("x")
    body = BYTE_ORDER_MARK + written(x, "FP32", [1, 1], "[1.0]")
    exchange = target.rest.infer("identity_fp32", body, fresh=True)

    must_serve_or_refuse(target, "byte_order_mark", exchange, "y", [1.0])


@requirement("OIP-REST-ERR-011", name="malformed")
def test_a_malformed_request_harms_no_other(target: Target) -> None:
    """A client's answer does not depend on what strangers send at the same time."""
    bad = partial(target.rest.infer, "identity_fp32", MALFORMED["too few elements"])

    _must_all_succeed(target, "identity_fp32", bad)


@requirement("OIP-REST-ERR-011", name="raising")
def test_an_inference_that_raises_harms_no_other(target: Target) -> None:
    """A client's answer does not depend on whose rows share its batch."""
    bad = partial(target.rest.infer, "fail", request(SCALAR))

    _must_all_succeed(target, "fail", bad)


def _must_all_succeed(target: Target, fixture: str, bad: Callable[[], Exchange]) -> None:
    """Asks good questions and the bad one side by side. `fail` takes values up to 0."""
    values = [-float(number) for number in range(PAIRS)]
    good = [partial(_ask, target, fixture, value) for value in values]
    for index, exchange in answered_together(target, [call for one in good for call in (one, bad)]):
        if index % 2 == 0:
            value, came = values[index // 2], exchange.must_succeed().values("y")
            assert came == [value], f"{value} came back as {came}"


def _ask(target: Target, fixture: str, value: float) -> Exchange:
    return target.rest.infer(fixture, request(tensor("x", "FP32", [1, 1], [value])))


@requirement("OIP-REST-ERR-014", name="model")
def test_a_model_that_raises_shows_nothing_of_the_machine(target: Target) -> None:
    """A stranger learns nothing from a failure that helps to break in."""
    _must_not_leak(target.rest.infer("fail", request(SCALAR), fresh=True))


@requirement("OIP-REST-ERR-014", name="mistakes")
@given(mistake=MISTAKES)
def test_a_mistake_uncovers_nothing_of_the_machine(target: Target, mistake: str) -> None:
    """A stranger learns nothing by sending nonsense."""
    _must_not_leak(target.rest.infer("identity_fp32", MALFORMED[mistake], fresh=True))


@requirement("OIP-REST-ERR-014", name="routes")
def test_no_answer_shows_anything_of_the_machine(target: Target) -> None:
    """A stranger learns nothing by walking through the routes."""
    model = target.rest.model_path("identity_fp32")
    paths = ("/v2", "/v2/health/live", "/v2/health/ready", "/v2/absent", ABSENT, model)
    for path in (*paths, f"{model}/ready", f"{model}/infer", f"{model}/versions/999999"):
        _must_not_leak(target.rest.get(path))


def _must_not_leak(exchange: Exchange) -> None:
    headers = (f"{name}: {value}" for name, value in exchange.must_answer_at_all().headers)
    text = "\n".join((*headers, exchange.body.decode(errors="replace")))
    found = LEAK.search(text)
    assert not found, f"{exchange.request} shows {text[found.start() :][:60]!r}"
