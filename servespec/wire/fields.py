"""How many fields a gRPC message has, read before it is parsed.

Two bytes can be a field, and a field a hundred bytes of memory and more: a message of some
megabytes would become gigabytes. Tensors are few, and their elements are within one field each.
"""

from collections.abc import Iterator

from .messages import WireError

__all__ = ["MOST_FIELDS", "check_fields"]

MOST_FIELDS = 4096
"""Of a request, and of an input of it: tensors, parameters, dimensions."""
_UNREAD = 2**16
"""Bytes up to which any message is small when parsed."""
_INPUT = 5 << 3 | 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SIZES = {_FIXED64: 8, _FIXED32: 4}


def check_fields(message: bytes) -> None:
    """Refuse a large ModelInferRequest that has more fields than any request needs.

    What is no message at all passes: the parser is to say so.

    Raises:
        WireError: it has too many.
    """
    if len(message) <= _UNREAD:
        return
    for tag, start, end in _counted("the message", message, 0, len(message)):
        if tag == _INPUT:
            for _ in _counted("an input", message, start, end):
                pass


def _counted(what: str, data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    for number, field in enumerate(_fields(data, start, end)):
        if number == MOST_FIELDS:
            raise WireError(f"{what} has more than {MOST_FIELDS} fields")
        yield field


def _fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Tag, start and end of each field, as far as it can be read."""
    while start < end:
        tag, start = _varint(data, start, end)
        if tag & 7 == _VARINT:
            _, stop = _varint(data, start, end)
        elif tag & 7 == _BYTES:
            length, start = _varint(data, start, end)
            stop = start + length
        else:  # the two marks of a group have no content of their own
            stop = start + _SIZES.get(tag & 7, 0)
        if stop > end:
            return
        yield tag, start, stop
        start = stop


def _varint(data: bytes, start: int, end: int) -> tuple[int, int]:
    """A number and where it ends; one that does not end within ten bytes ends the message."""
    value = 0
    for place in range(start, min(end, start + 10)):
        value |= (data[place] & 0x7F) << 7 * (place - start)
        if data[place] < 0x80:
            return value, place + 1
    return 0, end + 1
