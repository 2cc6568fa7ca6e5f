"""Connections: how long they live, where a request ends, and what stands between two of them."""

from hypothesis import given
from hypothesis import strategies as st

from servespec.target.outcomes import NotApplicable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from .writing import LIVE, chunked, echoed, post, question

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, HEADERS = 4, 1
END_OF_REQUEST = 0x05
STATUS_200 = 0x88
LAST_CHUNK = b"0\r\n\r\n"


@requirement("HTTP-001", name="keep-alive")
def test_a_connection_serves_more_than_one_request(target: Target) -> None:
    """A client pays for its connection once."""
    with target.rest.connect() as connection:
        for _ in range(3):
            connection.send(target.rest.head("GET", LIVE))

            connection.recv_answer().must_succeed()


@requirement("HTTP-001", name="pipelining")
def test_requests_sent_at_once_are_answered_in_order(target: Target) -> None:
    """A proxy that sends ahead gives every answer to its own client."""
    paths = [target.rest.model_path(name) for name in ("identity_fp32", "add_sub")]
    alone = [target.rest.get(path).must_succeed().json() for path in paths]

    with target.rest.connect() as connection:
        connection.send(b"".join(target.rest.head("GET", path) for path in paths))
        came = [connection.recv_answer(timeout=2.0).must_succeed().json() for _ in paths]

    assert came == alone, "two requests sent at once have other answers than one after the other"


@requirement("HTTP-001", name="close")
def test_a_connection_is_closed_when_the_client_says_so(target: Target) -> None:
    """A client that reads to the end of the connection gets there."""
    exchange = target.rest.wire(target.rest.head("GET", LIVE, "Connection: close"), timeout=2.0)

    exchange.answer.must_succeed()
    assert exchange.closed, "the request says Connection: close, and the connection stays open"
    assert not exchange.reset, "the connection is reset, not closed"


@requirement("HTTP-002")
@given(size=st.sampled_from([1, 1 << 16]))
def test_a_chunked_body_is_read_as_one(target: Target, size: int) -> None:
    """A client sends its body while it writes it."""
    body = question(target).ljust(3 * size)
    with target.rest.connect() as connection:
        connection.send(post(target, "Transfer-Encoding: chunked") + chunked(body, size))
        exchange = connection.recv_answer()

    came = echoed(target, exchange)
    assert came == [[1.0]], f"[[1.0]] in chunks of {size} bytes was read as {came}"


@requirement("HTTP-003", name="lengths", kind="may-kill")
def test_two_lengths_of_one_body_are_refused(target: Target) -> None:
    """No stranger hides a request in the body of another behind a proxy."""
    body = question(target)
    lengths = (f"Content-Length: {length}" for length in (len(body), len(body) + 1))
    with target.rest.connect() as connection:
        connection.send(post(target, *lengths) + body)

        connection.recv_answer(timeout=2.0).must_answer(400)


@requirement("HTTP-003", name="length and coding", kind="may-kill")
def test_a_length_beside_chunks_ends_the_connection(target: Target) -> None:
    """No stranger hides a request in the body of another behind a proxy."""
    body = chunked(question(target), 1 << 16)
    length = f"Content-Length: {len(body) - len(LAST_CHUNK)}"
    exchange = target.rest.wire(post(target, length, "Transfer-Encoding: chunked") + body)

    count = len(exchange.answers)
    assert count < 2, f"one request with a length and chunks got {count} answers"
    if exchange.answer.must_answer_at_all().status == 200:
        came = echoed(target, exchange.answer)
        assert came == [[1.0]], f"[[1.0]] in chunks, with a length beside, was read as {came}"
        assert exchange.closed, "a length beside chunks is served and the connection stays open"
    else:
        exchange.answer.must_be_client_error()


@requirement("HTTP-010")
def test_a_client_that_waits_for_leave_gets_a_word(target: Target) -> None:
    """A client does not send a large body in vain, nor wait for ever."""
    fields = (f"Content-Length: {len(question(target))}", "Expect: 100-continue")
    with target.rest.connect() as connection:
        connection.send(post(target, *fields))
        exchange = connection.recv_answer(timeout=2.0)

    status = exchange.must_answer_at_all().status
    assert status == 100 or status >= 200, f"Expect: 100-continue is answered {status}"
    target.record("Expect: 100-continue", status)


@requirement("HTTP-016")
def test_http2_is_answered_in_http2(target: Target) -> None:
    """A client that knows of HTTP/2 here need not ask in HTTP/1.1 first."""
    path = target.rest.head("GET", LIVE).split()[1]
    raw = target.rest.wire(PREFACE + _frame(SETTINGS) + _get(path), answers=0, timeout=1.0).raw
    served = raw[3:4] == bytes([SETTINGS])
    if not served and not target.claim("http", "http2", default=False):
        raise NotApplicable("HTTP/2 with prior knowledge is not served")

    assert served, "HTTP/2 is claimed, and its preface is not answered with SETTINGS"
    heads = [block.lstrip(bytes(range(0x20, 0x40))) for kind, block in _frames(raw) if kind == 1]
    assert heads, f"GET {LIVE} in HTTP/2 has no answer"
    assert heads[0][:1] == bytes([STATUS_200]), f"GET {LIVE} in HTTP/2 is not answered 200"


def _frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def _get(path: bytes) -> bytes:
    """GET over http, with literals for path and authority."""
    literals = (b"\x04" + bytes([len(path)]) + path, b"\x01\x09localhost")
    return _frame(HEADERS, b"\x82\x86" + b"".join(literals), flags=END_OF_REQUEST, stream=1)


def _frames(raw: bytes) -> list[tuple[int, bytes]]:
    frames = []
    while len(raw) >= 9:
        end = 9 + int.from_bytes(raw[:3])
        frames.append((raw[3], raw[9:end]))
        raw = raw[end:]
    return frames


@requirement("HTTP-023")
def test_a_client_that_has_finished_sending_is_answered(target: Target) -> None:
    """A client on a command line closes its side when the request is out."""
    body = question(target)
    data = post(target, f"Content-Length: {len(body)}") + body
    exchange = target.rest.wire(data, half_close=True)

    exchange.answer.must_succeed()
