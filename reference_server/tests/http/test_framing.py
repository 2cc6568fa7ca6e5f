"""Where a request begins and ends, and what is no request."""

import pytest

from .serving import GET, Served

POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def test_a_connection_serves_one_request_after_the_other(served: Served) -> None:
    with served.connect() as client:
        for _ in range(3):
            assert client.send(GET).answer().status == 200


def test_pipelined_requests_are_answered_in_order(served: Served) -> None:
    requests = b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in range(200))
    with served.connect() as client:
        client.send(requests)
        targets = [client.answer().json["target"] for _ in range(200)]
    assert targets == [f"/{n}" for n in range(200)]


def test_a_request_may_arrive_byte_by_byte(served: Served) -> None:
    request = POST + b"Content-Length: 3\r\n\r\nabc"
    with served.connect() as client:
        for n in range(len(request)):
            client.send(request[n : n + 1])
        assert client.answer().json["body"] == "abc"


@pytest.mark.parametrize("size", [1, 7, 500])
def test_chunks_of_any_size_are_one_body(served: Served, size: int) -> None:
    body = bytes(range(65, 91)) * 20
    pieces = [body[n : n + size] for n in range(0, len(body), size)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    answer = served.ask(CHUNKED + chunks + b"0\r\n\r\n")
    assert answer.json["body"].encode() == body


def test_chunk_extensions_and_trailers_are_dropped(served: Served) -> None:
    answer = served.ask(CHUNKED + b"3;x=y\r\nabc\r\n0\r\nX-Trailer: t\r\n\r\n")
    assert answer.json["body"] == "abc"
    assert "x-trailer" not in answer.json["headers"]


def test_connection_close_is_honoured(served: Served) -> None:
    with served.connect() as client:
        answer = client.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")).answer()
        assert answer.headers["connection"] == "close"
        assert client.rest() == b""


def test_what_follows_connection_close_is_not_answered(served: Served) -> None:
    with served.connect() as client:
        client.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + GET)
        assert client.answer().status == 200
        assert client.rest() == b""


def test_http_1_0_is_answered_and_closed(served: Served) -> None:
    with served.connect() as client:
        assert client.send(b"GET / HTTP/1.0\r\n\r\n").answer().status == 200
        assert client.rest() == b""


def test_http_1_0_may_keep_the_connection_alive(served: Served) -> None:
    with served.connect() as client:
        for _ in range(2):
            client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert client.answer().headers["connection"] == "keep-alive"


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", id="two-lengths"),
        pytest.param(POST + b"Content-Length: 3, 4\r\n\r\nabc", id="list-of-lengths"),
        pytest.param(
            POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            id="length-and-chunked",
        ),
        pytest.param(
            POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
            id="chunked-and-length",
        ),
        pytest.param(POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", id="coding"),
        pytest.param(
            b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="chunked-1.0"
        ),
        pytest.param(POST + b"Content-Length: -3\r\n\r\nabc", id="negative-length"),
        pytest.param(POST + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n", id="huge-length"),
        pytest.param(CHUNKED + b"zz\r\nabc\r\n0\r\n\r\n", id="chunk-size"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="no-host"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", id="two-hosts"),
        pytest.param(b"nonsense\r\n\r\n", id="request-line"),
        pytest.param(b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", id="version"),
        pytest.param(b"FOO / HTTP/1.1\r\nHost: a\r\n\r\n", id="method"),
        pytest.param(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", id="space-in-name"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", id="folded-field"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", id="nul"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="tls"),
        pytest.param(b"GET http://[a HTTP/1.1\r\nHost: a\r\n\r\n", id="no-url"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="h2-preface"),
        pytest.param(b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", id="connect"),
    ],
)
def test_what_is_no_sound_request_gets_400_and_an_orderly_close(
    served: Served, request_bytes: bytes
) -> None:
    with served.connect() as client:
        answer = client.send(request_bytes).answer()
        assert answer.status == 400
        assert answer.headers["connection"] == "close"
        assert answer.headers["content-type"] == "application/json"
        assert isinstance(answer.json["error"], str)
        assert client.rest() == b""


def test_a_malformed_request_does_not_overtake_those_before_it(served: Served) -> None:
    with served.connect() as client:
        client.send(GET + GET + b"nonsense\r\n\r\n")
        assert [client.answer().status for _ in range(3)] == [200, 200, 400]


def test_an_unknown_method_after_head_is_refused_with_a_body(served: Served) -> None:
    with served.connect() as client:
        assert client.send(GET.replace(b"GET", b"HEAD")).head().status == 200
        answer = client.send(GET.replace(b"GET", b"BREW")).answer()
        assert (answer.status, "error" in answer.json) == (400, True)


def test_header_names_do_not_depend_on_case(served: Served) -> None:
    answer = served.ask(b"POST / HTTP/1.1\r\nhOST: a\r\ncontent-LENGTH: 2\r\nX-Y:  z \r\n\r\nhi")
    assert answer.json["body"] == "hi"
    assert answer.json["headers"]["x-y"] == "z"


def test_a_field_that_comes_twice_is_a_list(served: Served) -> None:
    answer = served.ask(b"GET / HTTP/1.1\r\nHost: a\r\nAccept: b\r\nAccept: c\r\n\r\n")
    assert answer.json["headers"]["accept"] == "b, c"


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("/a?b=http://c/", "/a?b=http://c/"),
        ("http://example.org/a?b", "/a?b"),
        ("http://example.org", "/"),
        ("http://example.org?b", "/?b"),
    ],
)
def test_an_absolute_target_names_the_same_path(served: Served, sent: str, seen: str) -> None:
    answer = served.ask(f"GET {sent} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    assert answer.json["target"] == seen


def test_options_of_the_server_reaches_the_handler(served: Served) -> None:
    answer = served.ask(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (answer.json["method"], answer.json["target"]) == ("OPTIONS", "*")


def test_an_offered_upgrade_is_declined_and_its_body_is_read(served: Served) -> None:
    offer = POST + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc"
    with served.connect() as client:
        client.send(offer + offer + GET)
        bodies = [client.answer().json["body"] for _ in range(3)]
    assert bodies == ["abc", "abc", ""]


def test_a_request_that_offers_an_upgrade_is_held_to_the_same_rules(served: Served) -> None:
    offer = b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    assert served.ask(offer).status == 400
