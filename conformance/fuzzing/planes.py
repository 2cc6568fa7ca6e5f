"""Shots at both planes, and what must not come back."""

import socket
import time
from dataclasses import dataclass
from typing import Any

import grpc
from hypothesis import strategies as st

from servespec.target.target import Target
from servespec.wire import proto as pb

from .bodies import Shot, mutated
from .served import MODELS, SECONDS
from .tally import refusal_is_clean

__all__ = ["Call", "calls", "scripts", "shoot_bytes", "shoot_call", "shoot_rest"]


def shoot_rest(target: Target, shot: Shot) -> str:
    """Send a well-formed HTTP request; return the status."""
    headers = {"Content-Type": "application/json", **shot.headers}
    answer = target.rest.request(
        shot.method, shot.path, headers=headers, body=shot.body, timeout=SECONDS
    )
    if answer.status == 504 and shot.in_haste:
        return "504"
    answer.must_not_crash()
    if shot.expected is not None:
        came = answer.must_succeed().values("y")
        assert came == shot.expected, f"{shot.expected} came back as {came}"
    elif answer.status >= 400 and shot.method != "HEAD":
        refusal_is_clean(answer.status, answer.body)
    return str(answer.status)


_HOST = b"Host: a\r\n"
_INFER = b"POST /v2/models/identity_fp32/infer HTTP/1.1\r\n" + _HOST
_BODY = b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":[1]}]}'
_SCRIPTS = (
    b"GET /v2/health/live HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"HEAD / HTTP/1.0\r\n\r\n",
    _INFER + b"Content-Length: %d\r\n\r\n" % len(_BODY) + _BODY,
    _INFER + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(_BODY), _BODY),
    _INFER + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(_BODY) + _BODY,
    b"GET /v2 HTTP/1.1\r\n" + _HOST + b"Connection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)),
)
_BY_HAND = (
    _INFER + b"Content-Length: 99999999999999999999999\r\n\r\n",
    _INFER + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n123456",
    _INFER + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    _INFER + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    _INFER + b"Transfer-Encoding: chunked\r\n\r\n" + b"1;" + b"x" * 60_000,
    _INFER + b"X-%d: y\r\n" * 200 % tuple(range(200)) + b"\r\n",
    _INFER + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"\r\n" * 5000 + _SCRIPTS[0],
    _SCRIPTS[0] * 200,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    b"CONNECT a:1 HTTP/1.1\r\n" + _HOST + b"\r\n",
)
_one = st.sampled_from(_SCRIPTS)
scripts: st.SearchStrategy[bytes] = st.one_of(
    _one.flatmap(mutated),
    st.lists(_one | _one.flatmap(mutated), min_size=2, max_size=8).map(b"".join),
    st.sampled_from(_BY_HAND),
    st.binary(max_size=300),
)
"""What is written to a bare connection to the REST door."""


def shoot_bytes(target: Target, script: bytes) -> str:
    """Write it, say no more, and read to the end; return the statuses that came."""
    came = bytearray()
    deadline = time.monotonic() + SECONDS
    with socket.create_connection((target.rest.host, target.rest.port), SECONDS) as opened:
        try:
            opened.sendall(script)
            opened.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has seen enough: its answer may be there all the same
        try:
            while piece := opened.recv(1 << 16):
                came += piece
                assert time.monotonic() < deadline, f"the answer does not end in {SECONDS:g} s"
        except TimeoutError:
            raise AssertionError(f"no end within {SECONDS:g} s after we had said all") from None
        except ConnectionResetError:
            pass
    statuses = _statuses(bytes(came))
    assert all(status < 500 for status in statuses), f"answered {statuses}"
    return str(statuses[-1]) if statuses else "closed"


def _statuses(data: bytes) -> list[int]:
    """The status of each answer; FAIL where there is something else between them."""
    found = []
    while data:
        head, end, data = data.partition(b"\r\n\r\n")
        whole = head.startswith(b"HTTP/1.1 ") and head[9:12].isdigit() and end
        assert whole, f"this is no HTTP: {head[:200]!r}"
        found.append(int(head[9:12]))
        _, said, value = head.lower().partition(b"content-length: ")
        if said and not data.startswith(b"HTTP/1.1 "):  # or it was HEAD
            data = data[int(value.partition(b"\r\n")[0]) :]
    return found


@dataclass(frozen=True, slots=True)
class Call:
    """A gRPC call; `expected`: the bytes that it has to be answered with, None: OK or refused."""

    method: str
    message: bytes
    expected: bytes | None = None
    metadata: tuple[tuple[str, str], ...] = ()


_Input = pb.ModelInferRequest.InferInputTensor
_REFUSED = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)


def _infer(model: str, inputs: list[Any], **more: Any) -> bytes:
    return pb.ModelInferRequest(model_name=model, inputs=inputs, **more).SerializeToString()


@st.composite
def _valid(draw: st.DrawFn) -> Call:
    raw = draw(st.binary(min_size=8, max_size=64).map(lambda b: b[: len(b) // 8 * 8]))
    x = _Input(name="x", datatype="INT64", shape=[1, len(raw) // 8])
    return Call("ModelInfer", _infer("identity_int64", [x], raw_input_contents=[raw]), raw)


@st.composite
def _shaped(draw: st.DrawFn) -> bytes:
    """Any contents for any shape and datatype."""
    shape = draw(st.lists(st.integers(-2, 5) | st.integers(-(2**63), 2**63 - 1), max_size=5))
    datatype = draw(st.sampled_from(["FP32", "INT8", "BOOL", "BYTES", "BF16", "", "fp32"]))
    x = _Input(name=draw(st.sampled_from(["x", "", "y"])), datatype=datatype, shape=shape)
    for field in draw(st.sets(st.sampled_from(["fp32", "int", "int64", "uint", "bool"]))):
        getattr(x.contents, f"{field}_contents").extend(draw(st.lists(st.just(1), max_size=4)))
    raw = draw(st.lists(st.binary(max_size=40), max_size=2))
    return _infer(draw(st.sampled_from(MODELS)), [x] * draw(st.integers(0, 3)), raw_input_contents=raw)  # noqa: E501  # fmt: skip


_PARAMETERS = {
    "timeout": pb.InferParameter(int64_param=-5),
    "priority": pb.InferParameter(int64_param=-1),
    "binary_data_output": pb.InferParameter(bool_param=True),
    "none": pb.InferParameter(),
}
_FIXED = _infer(
    "identity_fp32",
    [_Input(name="x", datatype="FP32", shape=[1, 2])],
    raw_input_contents=[bytes(8)],
    id="7",
    outputs=[pb.ModelInferRequest.InferRequestedOutputTensor(name="y")],
    parameters=_PARAMETERS,
)
_TYPED = _infer(
    "identity_bytes",
    [_Input(name="x", datatype="BYTES", shape=[1, 1],
            contents=pb.InferTensorContents(bytes_contents=[b"a"]))],
)  # fmt: skip
_SMALL = (b"\x2a\x00", b"\x32\x00", b"\x3a\x00", b"\x22\x00", b"\x78\x01")
"""An input, an output, raw contents, a parameter, something unknown: each of two bytes."""
_metadata = st.lists(
    st.tuples(
        st.sampled_from(["cache-control", "x-test", "grpc-accept-encoding", "te"]),
        st.text("az09,;= ", max_size=40).map(str.strip) | st.just("v" * 5000),
    ),
    max_size=2,
).map(tuple)
_messages = st.one_of(
    st.sampled_from([_FIXED, _TYPED]).flatmap(mutated),
    _shaped(),
    st.binary(max_size=200),
    st.sampled_from([_FIXED + field * 100_000 for field in _SMALL]),
)
_methods = st.sampled_from([*pb.METHODS, "Nothing", "/inference.Nothing/At", "/"])
calls: st.SearchStrategy[Call] = st.one_of(
    _valid(),
    _messages.map(lambda message: Call("ModelInfer", message)),
    st.builds(Call, st.just("ModelInfer"), _messages, metadata=_metadata),
    st.builds(Call, _methods, _messages),
)  # fmt: skip


def shoot_call(target: Target, call: Call) -> str:
    """Make the call; return the name of its code."""
    answer = target.grpc.call(call.method, call.message, timeout=SECONDS, metadata=call.metadata)
    if call.expected is not None:
        came = list(answer.must_succeed().message.raw_output_contents)
        assert came == [call.expected], f"{call.expected!r} came back as {came}"
    known = answer.code in _REFUSED or answer.code is grpc.StatusCode.OK
    if answer.code is grpc.StatusCode.DEADLINE_EXCEEDED and b"timeout" in call.message:
        known = answer.seconds < SECONDS  # it was the server's word, and what was asked for
    assert known, f"{answer.method}: ended with {answer.code.name} ({answer.details[:300]})"
    return str(answer.code.name)
