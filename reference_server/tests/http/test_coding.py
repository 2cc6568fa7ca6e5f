"""Content codings of requests and answers."""

import gzip
import tracemalloc
import zlib
from collections.abc import Iterator

import pytest

from ...http import HttpLimits, HttpRequest, HttpResponse
from ...http.coding import Overflow, inflated
from .conftest import LIMITS
from .serving import Answer, Served, serving

TEXT = b"the quick brown fox " * 40
ZEROS = bytes(100_000)


def post(served: Served, coding: str, body: bytes) -> Answer:
    """A request whose body has that content coding."""
    head = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: {coding}\r\n"
    return served.ask(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


def raw_deflate(data: bytes) -> bytes:
    """The stream without the zlib format around it."""
    return zlib.compress(data, wbits=-15)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        pytest.param("gzip", gzip.compress(TEXT), id="gzip"),
        pytest.param("GZIP", gzip.compress(TEXT), id="GZIP"),
        pytest.param("deflate", zlib.compress(TEXT), id="deflate"),
        pytest.param("deflate", raw_deflate(TEXT), id="deflate-without-zlib"),
        pytest.param("identity", TEXT, id="identity"),
    ],
)
def test_a_coded_body_reaches_the_handler_decoded(served: Served, coding: str, body: bytes) -> None:
    assert post(served, coding, body).json["body"].encode() == TEXT


@pytest.mark.parametrize(
    ("coding", "bomb"),
    [
        pytest.param("gzip", gzip.compress(ZEROS), id="gzip"),
        pytest.param("deflate", zlib.compress(ZEROS), id="deflate"),
        pytest.param("deflate", raw_deflate(ZEROS), id="deflate-without-zlib"),
    ],
)
def test_a_bomb_is_413(served: Served, coding: str, bomb: bytes) -> None:
    assert len(bomb) < LIMITS.max_body_bytes
    assert post(served, coding, bomb).status == 413


def test_a_bomb_is_not_held_in_memory() -> None:
    bomb = gzip.compress(bytes(2**24), compresslevel=1)
    tracemalloc.start()
    with pytest.raises(Overflow):
        inflated("gzip", bomb, 1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        pytest.param("gzip", TEXT, id="no-gzip"),
        pytest.param("gzip", gzip.compress(TEXT)[:-9], id="cut"),
        pytest.param("gzip", gzip.compress(TEXT) + b"more", id="more"),
        pytest.param("deflate", b"\xff\xff\xff", id="no-deflate"),
    ],
)
def test_a_body_that_is_not_of_its_coding_is_400(served: Served, coding: str, body: bytes) -> None:
    assert post(served, coding, body).status == 400


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "nonsense"])
def test_an_unknown_coding_is_415_and_says_what_is_known(served: Served, coding: str) -> None:
    answer = post(served, coding, b"abc")
    assert answer.status == 415
    assert answer.headers["accept-encoding"] == "gzip, deflate, identity"
    assert "error" in answer.json


@pytest.fixture(scope="module")
def verbose() -> Iterator[Served]:
    """Answers with as many bytes, and as much of a media type, as the target says."""

    async def answer(request: HttpRequest) -> HttpResponse:
        size, _, media_type = request.target[1:].partition("/")
        return HttpResponse(200, b"x" * int(size), (("Content-Type", media_type),))

    with serving(answer, HttpLimits(compress_from=1000)) as served:
        yield served


def ask(served: Served, accepted: str, target: str = "/5000/application/json") -> Answer:
    """A request that accepts these codings."""
    head = f"GET {target} HTTP/1.1\r\nHost: a\r\n"
    return served.ask(f"{head}Accept-Encoding: {accepted}\r\n\r\n".encode())


@pytest.mark.parametrize(
    "accepted", ["gzip", "br, gzip;q=0.5", "*", "identity;q=0, gzip", "gzip;q=1.0, identity; q=0.5"]
)
def test_a_client_that_accepts_gzip_gets_it(verbose: Served, accepted: str) -> None:
    answer = ask(verbose, accepted)
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert gzip.decompress(answer.body) == b"x" * 5000


@pytest.mark.parametrize(
    "accepted",
    ["", "identity", "gzip;q=0", "gzip;q=0, *", "br", "gzip;q=0.1, identity", "gzip;q=x"],
)
def test_a_client_that_does_not_accept_gzip_gets_the_plain_body(
    verbose: Served, accepted: str
) -> None:
    answer = ask(verbose, accepted)
    assert "content-encoding" not in answer.headers
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.body == b"x" * 5000


@pytest.mark.parametrize("target", ["/999/application/json", "/5000/application/octet-stream"])
def test_what_hardly_shrinks_is_not_compressed(verbose: Served, target: str) -> None:
    assert "content-encoding" not in ask(verbose, "gzip", target).headers


def test_what_the_handler_has_compressed_stays_as_it_is() -> None:
    async def compressed(request: HttpRequest) -> HttpResponse:
        headers = (("Content-Type", "text/plain"), ("Content-Encoding", "br"))
        return HttpResponse(200, b"x" * 5000, headers)

    with serving(compressed) as served:
        answer = ask(served, "gzip")
    assert (answer.headers["content-encoding"], answer.body) == ("br", b"x" * 5000)
