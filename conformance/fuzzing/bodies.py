"""REST requests: well-formed ones with their answers, damaged ones, and hostile ones."""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from ..malformed import BROKEN_JSON, MALFORMED, MISNESTED, NO_REQUESTS, NOT_ARRAYS, written
from ..strategies import SCALAR, binary_request, ids, request, tensor
from .served import MODELS

__all__ = ["Shot", "mutated", "shots"]

INFER = "/v2/models/{}/infer"
MEMBERS = (
    *("id", "parameters", "inputs", "outputs", "name", "shape", "datatype", "data"),
    *("binary_data", "binary_data_size", "binary_data_output"),
    *("priority", "cache", "timeout"),
)
_BIG = 10**400
_BOMB = gzip.compress(bytes(80 << 20), compresslevel=9, mtime=0)


@dataclass(frozen=True, slots=True)
class Shot:
    """A request; `expected`: the elements that it has to be answered with, None: 2xx or 4xx."""

    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    expected: list[Any] | None = None
    method: str = "POST"

    @property
    def in_haste(self) -> bool:
        """Whether it may say how long its answer may take: 504 is right then."""
        return "Request-Timeout" in self.headers or b"timeout" in self.body


def _json(value: Any) -> bytes:
    return json.dumps(value).encode(errors="surrogatepass")


@st.composite
def _valid(draw: st.DrawFn) -> Shot:
    datatype, elements = draw(
        st.sampled_from(
            [
                ("FP32", st.floats(width=32, allow_nan=False, allow_infinity=False)),
                ("INT64", st.integers(-(2**63), 2**63 - 1)),
                ("UINT8", st.integers(0, 255)),
                ("BOOL", st.booleans()),
                ("BYTES", st.text(st.characters(exclude_categories=["Cs"]), max_size=20)),
            ]
        )
    )
    data = draw(st.lists(elements, min_size=1, max_size=30))
    body = request(tensor("x", datatype, [1, len(data)], data), id=draw(ids))
    return Shot(INFER.format(f"identity_{datatype.lower()}"), _json(body), expected=data)


@st.composite
def mutated(draw: st.DrawFn, original: bytes) -> bytes:
    """Bytes that were cut, overwritten or doubled in a few places."""
    body = bytearray(original)
    tokens = st.sampled_from(
        [b"[", b"]", b"{", b"null", b'"', b"9", b"-", b"1e999", b"\xff", b"\0"]
    )
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(body)))
        end = start + draw(st.integers(0, 12))
        repeat = draw(st.sampled_from([1, 1, 1, 2, 300]))
        body[start:end] = repeat * draw(st.binary(max_size=6) | tokens)
    return bytes(body)


_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["FP32", "BYTES", "x", "y", "NaN", 2**62, 2**63, -1, 0, _BIG, "\0", "\ud800"])
)
_documents = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(MEMBERS) | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=20,
)


@st.composite
def _misplaced(draw: st.DrawFn) -> bytes:
    """A request with anything in the place of one of its members."""
    one = dict(tensor("x", "FP32", [1, 1], [1.0]))
    body: dict[str, Any] = {"inputs": [one], "outputs": [{"name": "y"}]}
    where = draw(st.sampled_from([one, body, body["outputs"][0]]))
    if draw(st.booleans()):
        where = where.setdefault("parameters", {})
    where[draw(st.sampled_from(MEMBERS))] = draw(_documents)
    return _json(body)


@st.composite
def _shaped(draw: st.DrawFn) -> bytes:
    """A tensor whose shape promises what may not come."""
    sizes = st.integers(-2, 5) | st.sampled_from([2**31, 2**32, 2**62, 2**63, 2**64, _BIG])
    shape = draw(st.lists(sizes, max_size=6) | st.sampled_from([[0] * 50, [0] * 100, [1] * 100]))
    return _json(request(tensor("x", "FP32", shape, draw(st.lists(st.floats(0, 9), max_size=9)))))


def _nested(depth: int) -> bytes:
    return written("x", "FP32", [1, 1], "[" * depth + "1" + "]" * depth)


def _twice(member: str) -> bytes:
    whole = _json(request(SCALAR)).decode()
    return whole.replace("{", f'{{"{member}": 3, "{member}": [], ', 1).encode()


_BY_HAND: list[bytes] = [
    *map(_json, MALFORMED.values()),
    *(*BROKEN_JSON, *NO_REQUESTS, b"", b"\xef\xbb\xbf{}", b"\xff\xfe", b"\0" * 99),
    *(_json(request(tensor("x", "FP32", [2, 2], data))) for data in MISNESTED),
    *(_json(request({**SCALAR, "data": data})) for data in NOT_ARRAYS),
    *map(_nested, (2, 64, 1000, 100_000)),
    *(b"[" * 200_000, b'{"a":' * 100_000, b"{" + b'"a":1,' * 100_000 + b'"inputs":[]}'),
    *map(_twice, ("inputs", "id", "name")),
    *(
        written("x", "FP32", [1, 1], text)
        for text in ("[1e999]", "[-0.0]", "[NaN]", '["\ud800"]', "[1" + "0" * 5000 + "]")
    ),
    written("x", "FP32", [400_001, 0], "[" + "[]," * 400_000 + "[]]"),
    written("x", "FP32", [1, 1], "[1" + " " * 1_500_000 + "]"),
    _json({"inputs": [SCALAR] * 3000}),
    _json({"inputs": [SCALAR] * 30_000}),
    _json(request(SCALAR, ignored=[[]] * 300_000)),
    _json(request(SCALAR, outputs=[{"name": "y"}] * 3000)),
    _json(request(SCALAR, parameters={str(n): n for n in range(3000)})),
]

_bodies = st.one_of(
    mutated(_json(request(tensor("x", "FP32", [2, 2], [1.0, 2.0, 3.0, 4.0]), id="7"))),
    mutated(_json(request(tensor("x", "BYTES", [1, 2], ["é", ""]), outputs=[{"name": "y"}]))),
    _misplaced(),
    _shaped(),
    _documents.map(_json),
    st.sampled_from(_BY_HAND),
    st.binary(max_size=200),
)

_names = (
    st.sampled_from([*MODELS, "none", "..", "%2e%2e%2f", "%00", "%ff", "a%2fb", "A" * 5000])
    | st.text("abc%/.~2é", min_size=1, max_size=9).map(lambda t: t.encode().hex("%", 1)[:30])
)  # fmt: skip
_headers = st.dictionaries(
    st.sampled_from(
        ["Content-Type", "Content-Encoding", "Accept-Encoding", "Accept", "Cache-Control",
         "Inference-Header-Content-Length", "Expect", "Connection", "Range", "Request-Timeout"]
    ),
    st.sampled_from(
        ["", "*", "gzip", "deflate", "identity", "text/plain", "application/json; charset=x",
         "application/octet-stream", "gzip;q=nan", "0", "-1", "9" * 40, "no-cache", "close", ",",
         "1e-9", "0.5"]
    )
    | st.text("az09;=,q/* ", max_size=20).map(str.strip),
    max_size=3,
)  # fmt: skip


@st.composite
def _damaged(draw: st.DrawFn) -> Shot:
    headers = draw(st.just({}) | _headers)
    model = draw(st.just("identity_fp32") | st.sampled_from(MODELS))
    return Shot(INFER.format(model), draw(_bodies), headers)


@st.composite
def _binary(draw: st.DrawFn) -> Shot:
    """Raw tensors behind the JSON, one of the two damaged, or what the header says of them."""
    asked = binary_request("x", "FP32", [1, 2], bytes(8))
    headers = dict(asked["headers"])
    if draw(st.booleans()):
        headers["Inference-Header-Content-Length"] = str(draw(st.integers(-2, 300)))
    body = draw(st.just(asked["body"]) | mutated(asked["body"]))
    return Shot(INFER.format("identity_fp32"), body, headers)


@st.composite
def _coded(draw: st.DrawFn) -> Shot:
    """A body under a content coding: sound, damaged, or one that grows beyond all bounds."""
    sound = gzip.compress(_json(request(SCALAR)), mtime=0)  # the same at any moment
    body = draw(st.just(sound) | mutated(sound) | st.sampled_from([_BOMB, _BOMB[:5000]]))
    coding = draw(st.sampled_from(["gzip", "deflate", "identity", "gzip, gzip", "br", ""]))
    return Shot(INFER.format("identity_fp32"), body, {"Content-Encoding": coding})


@st.composite
def _elsewhere(draw: st.DrawFn) -> Shot:
    """Another method, another path."""
    tails = ["", "/", "/infer", "/ready", "/versions", "/versions/1", "/versions/9/infer", "?a=b"]
    path = f"/v2/models/{draw(_names)}{draw(st.sampled_from(tails))}"
    fixed = st.sampled_from(["/v2", "/v2/", "/v2/health/ready", "/livez", "/", "//", "/v2/../v2"])
    methods = st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW"])
    body = draw(st.just(b"") | _bodies)
    return Shot(draw(fixed | st.just(path)), body, draw(_headers), None, draw(methods))


shots: st.SearchStrategy[Shot] = st.one_of(
    _valid(), _damaged(), _damaged(), _damaged(), _binary(), _elsewhere(), _coded()
)
