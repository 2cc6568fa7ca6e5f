"""Content codings: inflating under a bound, and what an Accept-Encoding asks for."""

import zlib

__all__ = ["CODINGS", "Overflow", "accepts_gzip", "deflated", "inflated"]

GZIP, ZLIB, RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
CODINGS = "gzip, deflate, identity"


class Overflow(ValueError):
    """The decoded body is larger than allowed."""


def inflated(coding: str, body: bytes, limit: int) -> bytes:
    """The decoded body, at most `limit` bytes; never holds more than that.

    Raises:
        Overflow: The decoded body is larger.
        zlib.error: The body is not of that coding.
        LookupError: The coding is none of ours.
    """
    if coding == "identity" or not body:
        return body
    inflate = zlib.decompressobj(_window(coding, body))
    decoded = inflate.decompress(body, limit + 1)
    if len(decoded) > limit:
        raise Overflow
    if not inflate.eof or inflate.unused_data:
        raise zlib.error("the compressed body ends early or late")
    return decoded


def _window(coding: str, body: bytes) -> int:
    if coding in ("gzip", "x-gzip"):
        return GZIP
    if coding != "deflate":
        raise LookupError(coding)
    # Deflate is the zlib format, yet some clients send the bare stream (RFC 9110 8.4.1.2).
    is_zlib = len(body) >= 2 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
    return ZLIB if is_zlib else RAW


def deflated(body: bytes) -> bytes:
    """The body as gzip, at the level that costs the least."""
    return zlib.compress(body, level=1, wbits=GZIP)


def accepts_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding allows gzip and does not prefer identity to it."""
    weights = dict(map(_weight, accepted.lower().split(",")))
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def _weight(item: str) -> tuple[str, float]:
    coding, _, parameters = item.partition(";")
    key, _, value = parameters.partition("=")
    if key.strip() != "q":
        return coding.strip(), 1.0
    try:
        return coding.strip(), float(value)
    except ValueError:
        return coding.strip(), 0.0
