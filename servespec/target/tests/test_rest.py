"""The REST plane against servers that go wrong in every way a server can."""

import json

import pytest

from ..outcomes import Nonconformance, TargetGone, Untestable
from ..target import FixtureBinding
from .scripted import OK, answering, asked, ok, resetting, scripted, target_at, waiting


def test_an_answer_is_read_as_it_came() -> None:
    with asked(answering(ok(b'{"name": "s"}', "X-One: 1", "x-one: 2"))) as target:
        exchange = target.rest.get("/v2")
    assert (exchange.status, exchange.answer("name"), exchange.has("id")) == (200, "s", False)
    assert exchange.header("X-ONE") == "1, 2"


def test_the_path_is_sent_as_it_is() -> None:
    with asked(answering(OK)) as target:
        exchange = target.rest.get("/v2/../%2e/a?b")
    assert exchange.request.url.endswith("/v2/../%2e/a?b")
    assert exchange.status == 200


def test_a_kept_connection_that_was_closed_is_replaced_once_and_noted() -> None:
    with asked(answering(OK, b""), answering(OK)) as target:
        assert target.rest.get("/").note == ""
        again = target.rest.get("/")
    assert again.must_succeed().note == "the kept connection was closed; asked on a fresh one"
    assert again.note in target.evidence[-1].summary


def test_a_fresh_connection_that_was_closed_is_a_failure() -> None:
    with asked(answering(b""), answering(OK)) as target:
        exchange = target.rest.request("GET", "/", fresh=True)
    with pytest.raises(Nonconformance, match="disconnected"):
        exchange.must_not_crash()


def test_a_broken_answer_on_a_kept_connection_is_not_asked_again() -> None:
    with asked(answering(OK, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")) as target:
        target.rest.get("/")
        exchange = target.rest.get("/")
    with pytest.raises(Nonconformance, match="without sending complete message body"):
        exchange.must_answer_at_all()


def test_an_answer_that_does_not_come_is_a_failure_in_time() -> None:
    with asked(waiting) as target:
        exchange = target.rest.request("GET", "/", timeout=0.2)
    assert exchange.failure == "no answer within 0.2 s"
    assert exchange.seconds < 2


def test_a_body_that_is_not_coded_as_announced_is_a_failure() -> None:
    with asked(answering(ok(b"plain", "Content-Encoding: gzip"))) as target:
        assert target.rest.get("/").failure is not None


def test_a_target_that_died_ends_the_check_with_what_it_was_asked() -> None:
    with scripted(resetting) as port:
        target = target_at(port, alive=lambda: "killed by SIGSEGV")
        with pytest.raises(TargetGone, match=r"killed by SIGSEGV, last asked: POST .*/v2/x"):
            target.rest.post("/v2/x", b"{}", fresh=True)
    assert "POST" in target.evidence[-1].summary


def test_a_url_where_nothing_listens_any_more_is_gone() -> None:
    with scripted() as port:
        pass
    target = target_at(port, alive=lambda: "nothing listens there any more")
    with pytest.raises(TargetGone, match="nothing listens there any more"):
        target.rest.get("/v2")
    with pytest.raises(TargetGone):
        target.rest.connect()
    target.close()


def test_a_request_in_fixture_names_is_sent_in_the_targets_names() -> None:
    answer = b'{"outputs": [{"name": "OUT", "datatype": "INT64", "shape": [1], "data": [7]}]}'
    binding = FixtureBinding("my model", "3", {"x": "IN", "y": "OUT"})
    body = {"id": "x", "inputs": [{"name": "x"}, {"name": 1}, "x"], "outputs": [{"name": "y"}]}
    with scripted(answering(OK, ok(answer))) as port:
        target = target_at(port, fixtures={"identity_int64": binding})
        exchange = target.rest.infer("identity_int64", body)
        target.close()
    assert exchange.request.url.endswith("/v2/models/my%20model/versions/3/infer")
    sent = json.loads(exchange.request.body)
    assert sent["inputs"] == [{"name": "IN"}, {"name": 1}, "x"]
    assert (sent["id"], sent["outputs"]) == ("x", [{"name": "OUT"}])
    assert exchange.array("y").tolist() == exchange.values("y") == [7]


def test_a_fixture_that_is_not_hosted_is_untestable_by_its_name() -> None:
    missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    with (
        asked(answering(missing, missing)) as target,
        pytest.raises(Untestable, match=r"identity_bf16 \(GET /v2/models/identity_bf16 -> 404\)"),
    ):
        target.rest.infer("identity_bf16", b"")


def test_credentials_in_the_address_are_sent_and_never_shown() -> None:
    with scripted(answering(OK)) as port:
        target = target_at(port, user="me:secret@")
        exchange = target.rest.get("/v2")
        target.close()
    assert ("Authorization", "Basic bWU6c2VjcmV0") in exchange.request.headers
    assert "secret" not in f"{target}{exchange.request.url}"
    assert "bWU6" not in str(target.evidence)


def test_calls_made_together_keep_their_order() -> None:
    with asked(*[answering(ok(b"%d" % n)) for n in range(3)]) as target:
        answers = target.rest.together([lambda: target.rest.get("/")] * 3)
    assert sorted(answer.json() for answer in answers) == [0, 1, 2]


def test_the_head_for_hand_written_bytes_carries_the_credentials() -> None:
    with asked(headers={"Authorization": "Bearer t"}) as target:
        head = target.rest.head("POST", "/v2/x", "Content-Length: 0")
        authority = target.rest.authority.encode()
    assert head == (
        b"POST /v2/x HTTP/1.1\r\nHost: " + authority + b"\r\n"
        b"Authorization: Bearer t\r\nContent-Length: 0\r\n\r\n"
    )
