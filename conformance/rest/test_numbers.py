"""Tensor Data Types: numbers at their limits, beyond them, and what is no number."""

import json
import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from servespec.target.exchange import Exchange
from servespec.target.outcomes import NotApplicable, Untestable
from servespec.target.target import Target
from servespec.verdicts.requirement import requirement
from servespec.wire import proto as pb

from ..malformed import written
from ..strategies import binary_request, request, tensor

SMALL = ("INT8", "INT16", "INT32", "UINT8", "UINT16", "UINT32")
INTEGERS = (*SMALL, "INT64", "UINT64")
FLOATS = ("FP32", "FP64")
BEYOND = (
    ("UINT8", 300, 255),
    ("UINT8", -1, 0),
    ("UINT32", -1, 0),
    ("INT8", -129, -128),
    ("INT32", 2**31, 2**31 - 1),
    ("INT64", 2**63, 2**63 - 1),
    ("UINT64", 2**64, 2**64 - 1),
)
INFINITE = ("Infinity", math.inf)
IEEE = {
    "NaN": ("NaN", None),
    "Infinity": (*INFINITE, None),
    "-Infinity": ("-Infinity", -math.inf, None),
    "1e999": (*INFINITE, None),
}
HALVES = np.array([[1.5], [-2.25], [65504.0]], "<f2")


def _echo(target: Target, datatype: str, *values: object, fresh: bool = False) -> Exchange:
    asked = request(tensor("x", datatype, [len(values), 1], values))
    return target.rest.infer(f"identity_{datatype.lower()}", asked, fresh=fresh)


def _settle(
    target: Target, choice: str, exchange: Exchange, rules: Mapping[str, Iterable[Any]]
) -> None:
    """Refused, or coerced by one of the rules; by the claimed one where the server claims one."""
    if exchange.must_not_crash().status == 200:
        came = _lenient(exchange).values("y")
        rule = next((name for name, one in rules.items() if came in [[each] for each in one]), None)
        assert rule, f"{exchange.request.body.decode()} came back as {came}"
    else:
        rule = "refused"
        exchange.must_be_client_error()
    claimed = target.claim("oip-rest", choice)
    assert claimed in (rule, None), f"{choice} is claimed to be {claimed}, seen to be {rule}"
    target.record(choice, rule)


def _lenient(exchange: Exchange) -> Exchange:
    """The answer with bare NaN and Infinity read as words, where it is JSON apart from them."""
    with suppress(ValueError):
        value = json.loads(exchange.body, parse_constant=str)
        return replace(exchange, body=json.dumps(value).encode())
    return exchange


@requirement("OIP-REST-DATA-006")
def test_booleans_are_true_and_false(target: Target) -> None:
    """A client reads a truth as its language's truth."""
    exchange = _echo(target, "BOOL", True, False, False, True)

    came = json.dumps(exchange.must_succeed().values("y"))
    assert came == "[true, false, false, true]", f"true, false, false, true came back as {came}"


@requirement("OIP-REST-DATA-007")
@given(datatype=st.sampled_from(SMALL))
def test_small_integers_reach_their_limits(target: Target, datatype: str) -> None:
    """A client may use the whole range of its datatype."""
    limits = np.iinfo(datatype.lower())
    values = [one for one in (limits.min, -1, 0, 1, limits.max) if one >= limits.min]
    exchange = _echo(target, datatype, *values)

    came = exchange.must_succeed().values("y")
    assert came == values, f"{values} came back as {came}"


@requirement("OIP-REST-DATA-008")
@given(value=st.sampled_from([-(2**63), 2**53 + 1, 2**63 - 1]))
def test_int64_is_exact(target: Target, value: int) -> None:
    """A client's identifiers are not rounded to what a double can hold."""
    exchange = _echo(target, "INT64", value)

    came = exchange.must_succeed().values("y")
    assert came == [value], f"{value} came back as {came}"


@requirement("OIP-REST-DATA-009")
@given(value=st.sampled_from([2**63, 2**64 - 1]))
def test_uint64_is_exact(target: Target, value: int) -> None:
    """A client's hashes are not rounded, and their highest bit is no sign."""
    exchange = _echo(target, "UINT64", value)

    came = exchange.must_succeed().values("y")
    assert came == [value], f"{value} came back as {came}"


@requirement("OIP-REST-DATA-010", name="integer")
@given(case=st.sampled_from(BEYOND))
def test_an_integer_out_of_range_never_wraps(target: Target, case: tuple[str, int, int]) -> None:
    """A client's 300 does not become 44."""
    datatype, value, limit = case
    exchange = _echo(target, datatype, value, fresh=True)

    _settle(target, "out_of_range", exchange, {"saturate": [limit]})


@requirement("OIP-REST-DATA-010", name="float")
def test_a_float_out_of_range_never_wraps(target: Target) -> None:
    """A client's 1e39 becomes Infinity in FP32, if anything."""
    exchange = _echo(target, "FP32", 1e39, fresh=True)

    _settle(target, "float_out_of_range", exchange, {"infinity": (*INFINITE, None)})


@requirement("OIP-REST-DATA-011")
@given(datatype=st.sampled_from(INTEGERS))
def test_a_fraction_for_an_integer_follows_a_rule(target: Target, datatype: str) -> None:
    """A client that mixes up its datatypes does not compute with random numbers."""
    exchange = _echo(target, datatype, 1.5, fresh=True)

    _settle(target, "float_for_integer", exchange, {"truncate": [1], "round": [2]})


@requirement("OIP-REST-DATA-012")
@given(datatype=st.sampled_from((*INTEGERS, *FLOATS)))
def test_a_string_for_a_number_follows_a_rule(target: Target, datatype: str) -> None:
    """A client that quotes its numbers is told so, or is understood."""
    exchange = _echo(target, datatype, "7", fresh=True)

    _settle(target, "string_for_number", exchange, {"coerce": [7]})


@requirement("OIP-REST-DATA-013", name="float")
@given(datatype=st.sampled_from(FLOATS))
def test_null_is_no_number_of_any_float(target: Target, datatype: str) -> None:
    """A client's missing value is not made up; at most it is not a number."""
    exchange = _echo(target, datatype, None, fresh=True)

    _settle(target, "null_for_float", exchange, {"nan": ("NaN", None)})


@requirement("OIP-REST-DATA-013", name="other")
@given(datatype=st.sampled_from(("BOOL", "BYTES", *INTEGERS)))
def test_null_is_no_element_of_any_other_datatype(target: Target, datatype: str) -> None:
    """A client's missing value is not made up."""
    exchange = _echo(target, datatype, None, fresh=True)

    _settle(target, "null_for_other", exchange, {})


@requirement("OIP-REST-DATA-014")
@given(values=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
@example([2.0**-149, float(np.finfo("f4").max), float(np.float32(0.1))])
def test_fp32_keeps_every_bit(target: Target, values: list[float]) -> None:
    """A client that compares results compares the model's, not the printer's."""
    _must_keep_bits(target, "FP32", values)


@requirement("OIP-REST-DATA-015")
@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
@example([5e-324, float(np.finfo("f8").max), 0.1])
def test_fp64_keeps_every_bit(target: Target, values: list[float]) -> None:
    """A client that asks for double precision gets it."""
    _must_keep_bits(target, "FP64", values)


def _must_keep_bits(target: Target, datatype: str, values: list[float]) -> None:
    sent = np.array([values], f"f{int(datatype[2:]) // 8}").T + 0.0  # -0.0 is judged elsewhere
    exchange = _echo(target, datatype, *sent.ravel().tolist())

    came = exchange.must_succeed().array("y")
    assert came.tobytes() == sent.tobytes(), f"{sent.ravel()} came back as {came.ravel()}"


@requirement("OIP-REST-DATA-016")
@given(datatype=st.sampled_from(FLOATS))
def test_negative_zero_keeps_its_sign(target: Target, datatype: str) -> None:
    """A client's limit from below stays below."""
    exchange = _echo(target, datatype, -0.0)

    assert np.signbit(exchange.must_succeed().array("y")).all(), "-0.0 came back as 0.0"


@requirement("OIP-REST-DATA-017")
def test_how_nan_and_infinity_are_written(target: Target) -> None:
    """A client knows what it reads where a model's result is no number."""
    exchange = target.rest.infer("nonfinite", request(tensor("x", "FP32", [1, 1], [1.0])))

    if exchange.must_answer_at_all().status != 200:
        target.record("NaN, Infinity, -Infinity", f"refused with {exchange.status}")
        return
    came = _lenient(exchange).values("y")
    finite = [one for one in came if isinstance(one, int | float) and math.isfinite(one)]
    assert len(came) == 3, f"NaN, Infinity and -Infinity came back as {came}"
    assert not finite, f"NaN, Infinity and -Infinity came back as {came}"
    bare = "NaN" in came and '"NaN"' not in exchange.raw_text
    target.record("NaN, Infinity, -Infinity", "bare tokens" if bare else json.dumps(came))


@requirement("OIP-REST-DATA-018")
def test_an_answer_with_nan_is_json(target: Target) -> None:
    """A client's strict parser reads every answer."""
    exchange = target.rest.infer("nonfinite", request(tensor("x", "FP32", [1, 1], [1.0])))

    exchange.must_answer_at_all().json()


@requirement("OIP-REST-DATA-019")
@given(datatype=st.sampled_from(FLOATS), token=st.sampled_from(sorted(IEEE)))
def test_nan_tokens_are_refused_or_understood(target: Target, datatype: str, token: str) -> None:
    """A client whose JSON library writes NaN does not compute with 0."""
    fixture = f"identity_{datatype.lower()}"
    body = written(target.fixture(fixture).tensor("x"), datatype, [1, 1], f"[{token}]")
    exchange = target.rest.infer(fixture, body, fresh=True)

    _settle(target, "nan_token", exchange, {"understand": IEEE[token]})


@requirement("OIP-REST-DATA-020")
def test_fp16_is_served_in_some_encoding(target: Target) -> None:
    """A client of a half-precision model has a way to ask it."""
    x = target.fixture("identity_fp16").tensor("x")
    raw = binary_request(x, "FP16", HALVES.shape, HALVES.tobytes())
    in_json = _echo(target, "FP16", *HALVES.ravel().tolist()).must_not_crash()
    in_binary = target.rest.infer("identity_fp16", **raw)
    served = {"JSON": in_json, "binary": in_binary}
    came = {name: one.array("y") for name, one in served.items() if one.status == 200}
    if not came:
        came["gRPC"] = _halves_over_grpc(target)

    target.record("FP16", ", ".join(came))
    for name, array in came.items():
        same = array.tolist() == HALVES.tolist()
        assert same, f"{HALVES.ravel()} came back as {array.ravel()} through {name}"


def _halves_over_grpc(target: Target) -> np.ndarray:
    x = pb.ModelInferRequest.InferInputTensor(
        name=target.fixture("identity_fp16").tensor("x"), datatype="FP16", shape=HALVES.shape
    )
    try:
        exchange = target.grpc.infer("identity_fp16", inputs=[x], raw=[HALVES.tobytes()])
    except Untestable:
        raise AssertionError("FP16 is refused as JSON and as binary data") from None
    return exchange.must_succeed().array("y")


@requirement("OIP-REST-DATA-021")
def test_bf16_is_served_raw_or_refused(target: Target) -> None:
    """A client of a BF16 model has a way to ask it, or is told that there is none."""
    if not target.has_fixture("identity_bf16"):
        raise NotApplicable("no BF16 model is hosted")
    x = target.fixture("identity_bf16").tensor("x")
    raw = b"\xc0\x3f\x80\xff"  # 1.5 and -Infinity
    asked = binary_request(x, "BF16", [2, 1], raw, parameters={"binary_data_output": True})
    exchange = target.rest.infer("identity_bf16", **asked)

    target.record("BF16", exchange.must_answer_at_all().status)
    if exchange.status == 200:
        came = exchange.array("y").tobytes()
        assert came == raw, f"{raw.hex(' ')} came back as {came.hex(' ')}"
    else:
        exchange.must_be_client_error()
