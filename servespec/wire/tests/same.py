"""Whether two messages say the same, tensors bit by bit."""

from dataclasses import fields
from typing import Any

from ..messages import InferRequest, InferResponse, RequestedOutput, Tensor

Messages = InferRequest | InferResponse | RequestedOutput


def assert_same(found: Messages, expected: Messages) -> None:
    """Compares messages: numpy arrays have no truth of their own, and Python thinks True is 1."""
    assert _plain(found) == _plain(expected)


def _plain(value: Any) -> Any:
    match value:
        case Tensor(name, datatype, array, parameters):
            bits = array.tolist() if array.dtype == object else array.tobytes()
            return name, datatype, array.shape, str(array.dtype), bits, _plain(parameters)
        case InferRequest() | InferResponse() | RequestedOutput():
            return [_plain(getattr(value, field.name)) for field in fields(value)]
        case tuple():
            return [_plain(each) for each in value]
        case dict():
            return {name: _plain(each) for name, each in value.items()}
        case _:
            return type(value), value
