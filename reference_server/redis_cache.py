"""Answers that are kept in Redis: servers of the same models share them.

Redis is an aid: without it everything is computed. So nothing here raises, a caller waits for it no
longer than `PATIENCE_SECONDS`, and while it fails nobody asks it but us.
"""

import asyncio
import contextlib
import logging
from typing import Any, Protocol

import msgspec
import numpy as np

from .errors import StartupError
from .pipeline import Tensors

__all__ = ["LARGEST", "PATIENCE_SECONDS", "RedisStore", "open_redis"]

_LOG = logging.getLogger(__name__)

LARGEST = 2**20
"""Bytes of an answer that is kept: a larger one takes longer than we wait."""
_PREFIX = b"servespec:"
_CONNECTIONS = 32
PATIENCE_SECONDS = 0.05
_FAILURES = 3
_PAUSE_SECONDS = 2.0
_CLOSING_SECONDS = 1.0


class _Tensor(msgspec.Struct, frozen=True, array_like=True):
    """An array as bytes; one of BYTES as a list of its elements."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes | list[bytes]


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """An answer, with its key: whatever mixes up Redis's answers, nobody gets another's."""

    key: bytes
    tensors: list[_Tensor]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Kept).decode


class Client(Protocol):
    """What we use of Redis's own client."""

    async def execute_command(self, *command: str | bytes | int) -> Any:
        """Return Redis's answer to a command."""

    async def aclose(self) -> None:
        """Close all connections."""


def open_redis(url: str, patience: float = PATIENCE_SECONDS) -> "RedisStore":
    """Return where answers are kept; whether Redis is there shows later.

    Args:
        url: of Redis.
        patience: how many seconds a caller waits for it at most.

    Raises:
        StartupError: the address is none, or the client is not installed.
    """
    try:
        from redis.asyncio import ConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError as error:
        raise StartupError("--redis: expected the extra: pip install servespec[redis]") from error
    try:
        pool = ConnectionPool.from_url(
            url,
            socket_timeout=None,  # all of it is bounded by our own patience
            socket_connect_timeout=None,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError as error:
        raise StartupError(f"--redis: expected redis://HOST:PORT/DB: {error}") from error
    return RedisStore(Redis.from_pool(pool), patience)


class RedisStore:
    """Keeps answers in Redis, behind a circuit breaker.

    After some failures in a row it is asked nothing more until it answers a ping.

    Args:
        client: of Redis.
        patience: how many seconds a caller waits for it at most.
    """

    shared = True

    def __init__(self, client: Client, patience: float) -> None:
        self._client = client
        self._patience = patience
        self._failures = 0
        self._recovery: asyncio.Task[None] | None = None
        self._slots = asyncio.Semaphore(_CONNECTIONS)

    async def get(self, key: bytes) -> Tensors | None:
        """Return what was put there, by whichever server, as long as it is there."""
        kept = await self._asked("GET", _PREFIX + key)
        return _read(key, kept) if isinstance(kept, bytes) else None

    async def put(self, key: bytes, tensors: Tensors, seconds: float) -> None:
        """Keep tensors for so many seconds at most."""
        if sum(array.nbytes for array in tensors) > LARGEST:
            return
        kept = _encode(_Kept(key, [_written(array) for array in tensors]))
        if len(kept) <= LARGEST:
            await self._asked("SET", _PREFIX + key, kept, "PX", max(1, int(seconds * 1e3)))

    async def close(self) -> None:
        """Let go of the connections."""
        if self._recovery is not None:
            self._recovery.cancel()
        with contextlib.suppress(Exception):  # of one that is broken
            async with asyncio.timeout(_CLOSING_SECONDS):
                await self._client.aclose()

    async def _asked(self, *command: str | bytes | int) -> Any:
        """Return what Redis answers; None where it does not, or is not asked."""
        if self._recovery is not None:
            return None
        try:
            answer = await self._in_time(*command)
        except Exception as error:  # whatever it is, an answer can be computed
            self._failed(error)
            return None
        self._failures = 0
        return answer

    async def _in_time(self, *command: str | bytes | int) -> Any:
        async with asyncio.timeout(self._patience), self._slots:
            return await self._client.execute_command(*command)

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        if self._failures >= _FAILURES and self._recovery is None:
            _LOG.warning("Redis is passed over: %s", type(error).__name__)
            self._recovery = asyncio.create_task(self._recover())

    async def _recover(self) -> None:
        """Ask now and then whether it is there again: callers are not to find out."""
        while self._failures:
            await asyncio.sleep(_PAUSE_SECONDS)
            with contextlib.suppress(Exception):
                await self._in_time("PING")
                self._failures = 0
        _LOG.warning("Redis is asked again")
        self._recovery = None


def _written(array: np.ndarray) -> _Tensor:
    data = list(array.flat) if array.dtype.kind == "O" else array.tobytes()
    return _Tensor(array.dtype.str, array.shape, data)


def _read(key: bytes, text: bytes) -> Tensors | None:
    """Return the tensors; None for what none of us has written there."""
    try:
        kept = _decode(text)
        return [_array(tensor) for tensor in kept.tensors] if kept.key == key else None
    except (TypeError, ValueError):
        return None


def _array(tensor: _Tensor) -> np.ndarray:
    if isinstance(tensor.data, bytes):
        return np.frombuffer(tensor.data, tensor.dtype).reshape(tensor.shape)
    elements = np.empty(len(tensor.data), object)
    elements[:] = tensor.data
    return elements.reshape(tensor.shape)
