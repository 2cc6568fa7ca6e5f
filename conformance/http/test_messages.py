"""Requests and answers as HTTP: their targets, header fields, and how errors are told."""

from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from servespec.target.exchange import Exchange
from servespec.target.outcomes import NotApplicable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from .writing import LIVE, echoed, post, question

ABSENT = "/v2/models/servespec-absent"
PROBLEM = "application/problem+json"
REDIRECTS = (301, 302, 303, 307, 308)
HOPS = 5


@requirement("HTTP-004")
def test_a_request_without_a_host_is_refused(target: Target) -> None:
    """A request that a proxy could send to anybody is sent to nobody."""
    head = target.rest.head("GET", LIVE)
    host = f"Host: {target.rest.authority}\r\n".encode()
    with target.rest.connect() as connection:
        connection.send(head.replace(host, b""))

        connection.recv_answer(timeout=2.0).must_answer(400)


@requirement("HTTP-013")
def test_problem_details_agree_with_the_answer(target: Target) -> None:
    """A client of RFC 9457 reads the same status in both places."""
    refused = [
        target.rest.get(ABSENT),
        target.rest.get("/v2/servespec-absent"),
        target.rest.infer("identity_fp32", b"{", fresh=True),
        target.rest.get(target.rest.infer_path("identity_fp32")),
    ]
    used = [exchange for exchange in refused if _is_problem(exchange.must_answer_at_all())]
    if not used:
        raise NotApplicable("errors are not told as problem details")

    for exchange in used:
        kind, details = _media_type(exchange), exchange.json()
        assert kind == PROBLEM, f"{exchange.asked}: problem details are {kind}, not {PROBLEM}"
        status = details.get("status", exchange.status)
        assert status == exchange.status, f"{exchange.asked}: {exchange.status} says it is {status}"


def _media_type(exchange: Exchange) -> str:
    return (exchange.header("Content-Type") or "").partition(";")[0].strip().lower()


def _is_problem(exchange: Exchange) -> bool:
    if _media_type(exchange) == PROBLEM:
        return True
    if not _media_type(exchange).endswith("json"):
        return False
    details: Any = exchange.json()
    return isinstance(details, dict) and {"type", "title", "status"} <= details.keys()


@requirement("HTTP-014")
def test_every_answer_is_dated(target: Target) -> None:
    """A cache or a log behind the server knows how old an answer is."""
    served = target.rest.get(LIVE)
    refused = (target.rest.get(ABSENT), target.rest.infer("identity_fp32", b"{", fresh=True))

    for exchange in (served, *refused):
        date = exchange.must_answer_at_all().header("Date")
        assert date, f"{exchange.asked}: the answer {exchange.status} has no Date"
        try:
            parsedate_to_datetime(date)
        except ValueError:
            raise AssertionError(f"{exchange.asked}: {date!r} is no date") from None


@requirement("HTTP-015", name="framing")
def test_the_case_of_a_framing_field_does_not_matter(target: Target) -> None:
    """A client may write Host and Content-Length as its library does."""
    body = question(target)
    head = post(target, f"cONTENT-lENGTH: {len(body)}").replace(b"\r\nHost:", b"\r\nhOST:")
    with target.rest.connect() as connection:
        connection.send(head + body)
        exchange = connection.recv_answer(timeout=2.0)

    came = echoed(target, exchange)
    assert came == [[1.0]], f"[[1.0]] with fields in another case was read as {came}"


@requirement("HTTP-015", name="content")
def test_the_case_of_a_content_field_does_not_matter(target: Target) -> None:
    """A client may write Content-Type as its library does."""
    body = question(target)
    usual, other = (
        target.rest.infer("identity_fp32", body, headers={name: "text/plain"}, fresh=True)
        for name in ("Content-Type", "content-TYPE")
    )

    same = usual.must_answer_at_all().status == other.must_answer_at_all().status
    assert same, f"Content-Type is answered {usual.status}, content-TYPE {other.status}"


@requirement("HTTP-021", name="absolute")
def test_a_target_in_absolute_form_is_answered(target: Target) -> None:
    """A client that is set up for a proxy is told what this server thinks of it."""
    origin = f"http://{target.rest.authority}".encode()
    head = target.rest.head("GET", LIVE).replace(b"GET ", b"GET " + origin, 1)
    with target.rest.connect() as connection:
        connection.send(head)
        exchange = connection.recv_answer(timeout=2.0)

    target.record("absolute form", exchange.must_not_crash().status)


@requirement("HTTP-022")
def test_a_trailing_slash_is_the_route_or_none(target: Target) -> None:
    """A client whose URL ends in a slash is not sent round in circles."""
    model = target.rest.model_path("identity_fp32")
    reads = [("GET", path, None) for path in (LIVE, "/v2/health/ready", model, f"{model}/ready")]
    for method, path, body in (*reads, ("POST", f"{model}/infer", question(target))):
        plain = _followed(target, method, path, body)
        slash = _followed(target, method, f"{path}/", body)

        accepted = (plain.must_answer_at_all().status, 404)
        assert slash.must_answer_at_all().status in accepted, (
            f"{path} is answered {plain.status}, {path}/ {slash.status}"
        )


def _followed(target: Target, method: str, path: str, body: bytes | None) -> Exchange:
    headers = {"Content-Type": "application/json"} if body else None
    for _ in range(HOPS):
        exchange = target.rest.request(method, path, headers=headers, body=body, fresh=True)
        if exchange.status not in REDIRECTS:
            return exchange
        prefix = urlsplit(exchange.request.url).path.removesuffix(path)
        path = urlsplit(exchange.header("Location") or "").path.removeprefix(prefix)
    raise AssertionError(f"{method} {path} is redirected {HOPS} times")
