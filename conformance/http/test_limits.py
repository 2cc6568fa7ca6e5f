"""Limits: what is too large is refused, and the refusal can be read."""

import zlib

from servespec.target.outcomes import NotApplicable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from .writing import LIVE, post, question

DECLARED = 1 << 30
BOMB = 64 << 20
PIECE = bytes(1 << 20)
HEADER = 1 << 20


@requirement("HTTP-005", kind="saturating")
def test_a_body_beyond_the_limit_is_413(target: Target) -> None:
    """A client with too large a batch learns that it is too large."""
    limit = target.claim("http", "max_body_bytes")
    length = DECLARED if limit is None else limit + 1
    pieces = [PIECE] * (length // len(PIECE)) + [PIECE[: length % len(PIECE)]]
    sent = [] if limit is None else pieces
    head = post(target, f"Content-Length: {length}")
    exchange = target.rest.wire([head, *sent], timeout=1.0 if limit is None else 5.0)
    if limit is None and exchange.answer.status != 413:
        raise NotApplicable(f"no limit is claimed, and {DECLARED} bytes are not refused")

    answer = exchange.answer.must_answer(413)
    assert not exchange.reset, "the connection is reset: many clients will not see the 413"
    closes = (answer.header("Connection") or "").lower()
    assert "close" in closes, "the 413 does not say Connection: close"


@requirement("HTTP-008", name="bomb", kind="may-kill")
def test_a_decompression_bomb_is_stopped(target: Target) -> None:
    """No stranger fills the server's memory with a few kilobytes."""
    limit = target.claim("http", "max_body_bytes")
    headers = {"Content-Encoding": "gzip"}
    bomb = _bomb(question(target), BOMB if limit is None else limit + 1)
    exchange = target.rest.infer("identity_fp32", bomb, headers=headers, fresh=True)

    target.record("decompression bomb", exchange.must_not_crash().status)
    if limit is not None:
        exchange.must_be_client_error()


def _bomb(body: bytes, size: int) -> bytes:
    """The body with white space behind it, at least `size` bytes in all, as gzip."""
    deflate = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    space = b" " * len(PIECE)
    pieces = [deflate.compress(body), *(deflate.compress(space) for _ in range(size // len(space)))]
    return b"".join([*pieces, deflate.compress(space), deflate.flush()])


@requirement("HTTP-020")
def test_too_large_header_fields_are_refused_in_order(target: Target) -> None:
    """A client with too large a cookie learns that it is too large."""
    head = target.rest.head("GET", LIVE, f"X-Servespec: {'x' * HEADER}")
    exchange = target.rest.wire(head, timeout=2.0)
    if exchange.answer.status == 200:
        raise NotApplicable(f"{HEADER} bytes of header fields are within the limit")

    exchange.answer.must_answer(431, 400)
    assert not exchange.reset, "the connection is reset: many clients will not see the answer"
