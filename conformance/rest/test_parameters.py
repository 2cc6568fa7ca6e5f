"""Parameters: accepted at every level, ignored where they are not known."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..judging import must_serve_or_refuse
from ..strategies import request, tensor

DATA = [1.0, 2.0, 3.0]
INPUT = tensor("x", "FP32", [1, 3], DATA)

numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.text(st.characters(exclude_categories=["Cs"]), max_size=32) | st.booleans() | numbers
"""What a parameter may be."""


@requirement("OIP-REST-PARM-001")
@pytest.mark.parametrize(
    "body",
    [
        request(INPUT, parameters={"x": 1}),
        request({**INPUT, "parameters": {"x": 1}}),
        request(INPUT, outputs=[{"name": "y", "parameters": {"x": 1}}]),
    ],
    ids=["request", "input", "output"],
)
def test_parameters_are_accepted_at_every_level(target: Target, body: dict[str, Any]) -> None:
    """A client can say something about the request, an input or an output."""
    exchange = target.rest.infer("identity_fp32", body)

    exchange.must_succeed()


@requirement("OIP-REST-PARM-002")
@given(value=values)
@example(value="a")
@example(value=1)
@example(value=1.5)
@example(value=True)
def test_a_parameter_is_a_string_a_number_or_a_boolean(
    target: Target, value: str | float | bool
) -> None:
    """A client can say what it wants in the type that fits."""
    exchange = target.rest.infer("identity_fp32", request(INPUT, parameters={"value": value}))

    exchange.must_succeed()


@requirement("OIP-REST-PARM-003")
@pytest.mark.parametrize("value", [{"deep": 1}, [1, 2], None], ids=["object", "array", "null"])
def test_a_structured_parameter_is_refused_or_ignored(target: Target, value: Any) -> None:
    """A client that sends more than a parameter can hold is told, or served all the same."""
    exchange = target.rest.infer("identity_fp32", request(INPUT, parameters={"value": value}))

    must_serve_or_refuse(target, "structured_parameters", exchange, "y", DATA)


@requirement("OIP-REST-PARM-004")
@given(name=st.from_regex(r"x-[a-z0-9_.-]{1,24}", fullmatch=True), value=values)
def test_an_unknown_parameter_changes_nothing(
    target: Target, name: str, value: str | float | bool
) -> None:
    """A client that talks to several servers can send each one's parameters to all."""
    exchange = target.rest.infer("identity_fp32", request(INPUT, parameters={name: value}))

    must_serve_or_refuse(target, "unknown_parameters", exchange, "y", DATA)


@requirement("OIP-REST-PARM-005")
@pytest.mark.parametrize(
    "body",
    [
        request({**INPUT, "parameters": {"binary_data_size": 4}}),
        request(INPUT, parameters={"sequence_id": 1}),
        request(INPUT, parameters={"priority": 1}),
        request(INPUT, parameters={"timeout": 10_000_000}),
    ],
    ids=["binary_data_size", "sequence_id", "priority", "timeout"],
)
def test_a_reserved_parameter_spoils_nothing(target: Target, body: dict[str, Any]) -> None:
    """A client that uses an extension gets the right answer of a server without it, or is told."""
    exchange = target.rest.infer("identity_fp32", body)

    must_serve_or_refuse(target, "reserved_parameters", exchange, "y", DATA)
