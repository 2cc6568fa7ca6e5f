"""Request Input: shapes and datatypes that do not fit, and those at the edge."""

from typing import Any

import pytest

from servespec.target.target import Target
from servespec.verdicts.requirement import requirement

from ..judging import must_serve_or_refuse
from ..strategies import request, tensor

FOUR = [1.0, 2.0, 3.0, 4.0]


@requirement("OIP-REST-INFER-024")
@pytest.mark.parametrize("size", [-1, 1.5, "1", True, None])
def test_a_dimension_is_a_non_negative_integer(target: Target, size: Any) -> None:
    """A client that forgets to fill in a dimension, or gets its type wrong, is told."""
    exchange = target.rest.infer("identity_fp32", request(tensor("x", "FP32", [size, 4], FOUR)))

    exchange.must_be_client_error()


@requirement("OIP-REST-INFER-025")
@pytest.mark.parametrize("count", [3, 5])
def test_the_shape_fits_the_data(target: Target, count: int) -> None:
    """A client that sends too little or too much is told; nothing is padded or cut."""
    sent = [float(number) for number in range(count)]
    exchange = target.rest.infer("identity_fp32", request(tensor("x", "FP32", [2, 2], sent)))

    exchange.must_be_client_error()


@requirement("OIP-REST-INFER-026", kind="may-kill")
@pytest.mark.parametrize(
    ("shape", "sent"),
    [
        ([2**62, 4], []),
        ([2**32, 2**32], []),
        ([2**63, 2], []),
        ([10**9, 10**9], [1.0]),
        ([2**30, 1], [1.0]),
    ],
)
def test_a_huge_shape_is_refused_before_memory_is_taken(
    target: Target, shape: list[int], sent: list[float]
) -> None:
    """A few bytes from one client do not take the memory that others need."""
    exchange = target.rest.infer(
        "identity_fp32", request(tensor("x", "FP32", shape, sent)), timeout=5.0
    )

    exchange.must_be_client_error()


@requirement("OIP-REST-INFER-027")
def test_an_empty_batch_is_served_or_refused(target: Target) -> None:
    """A client whose batch happens to be empty gets an empty answer, or is told."""
    exchange = target.rest.infer("identity_fp32", request(tensor("x", "FP32", [0, 4], [])))

    must_serve_or_refuse(target, "empty_batch", exchange, "y", [])
    if exchange.status == 200:
        shape = exchange.output("y").get("shape")
        assert shape == [0, 4], f"an empty batch of shape [0, 4] came back as {shape}"


@requirement("OIP-REST-INFER-028")
def test_a_scalar_shape_is_served_or_refused(target: Target) -> None:
    """A client whose tensor has no dimension is served, or told how many are expected."""
    exchange = target.rest.infer("identity_fp32", request(tensor("x", "FP32", [], [7.0])))

    must_serve_or_refuse(target, "scalar_shape", exchange, "y", [7.0])


@requirement("OIP-REST-INFER-029")
@pytest.mark.parametrize("datatype", ["INT64", "UINT8", "FP64"])
def test_another_datatype_is_refused_or_converted(target: Target, datatype: str) -> None:
    """A client that sends another datatype is told, or gets the same numbers back."""
    sent = tensor("x", datatype, [1, 2], [3, 200])
    exchange = target.rest.infer("identity_fp32", request(sent))

    must_serve_or_refuse(target, "other_datatype", exchange, "y", [3, 200])


@requirement("OIP-REST-INFER-030")
@pytest.mark.parametrize("datatype", ["FLOAT", "fp32", "FP33", ""])
def test_an_unknown_datatype_is_refused(target: Target, datatype: str) -> None:
    """A client that uses another framework's name of a datatype is told."""
    exchange = target.rest.infer("identity_fp32", request(tensor("x", datatype, [1, 4], FOUR)))

    exchange.must_be_client_error()
