"""Answers in a real Redis, and what callers notice when it fails: nothing but time."""

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ..app import serve
from ..errors import StartupError
from ..redis_cache import LARGEST, PATIENCE_SECONDS, RedisStore, open_redis
from ..settings import read_settings
from ..signals import Signals
from .models import write_models
from .redis import RedisServer, redis_running
from .serving import Served, serving, tensor

KEY = bytes(range(32))
ONE = np.array([1.0], "<f4")
SECONDS = 15.0
FIRST = 'local key = redis.call("KEYS", "*")[1]'


@pytest.fixture
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis that keeps nothing yet."""
    with redis_running(tmp_path_factory.mktemp("redis")) as server:
        yield server


def using(
    redis: RedisServer, scene: Callable[[RedisStore], Awaitable[None]], patience: float = 5.0
) -> None:
    """Run a scene with a store of its own."""

    async def run() -> None:
        store = open_redis(redis.url, patience)
        try:
            await scene(store)
        finally:
            await store.close()

    asyncio.run(run())


def test_tensors_come_back_as_they_were(redis: RedisServer) -> None:
    tensors = [
        np.array([[0.0, -0.0, np.nan]], "<f4"),
        np.array(7, "<i8"),
        np.empty((0, 3), "<f2"),
        np.array([True, False]),
        np.array([[b"", b"\xff\0"], [b"a", b"b"]], object),
        np.arange(12, dtype="<f8").reshape(3, 4)[:, ::2],
    ]

    async def scene(store: RedisStore) -> None:
        await store.put(KEY, tensors, 60.0)
        found = await store.get(KEY)
        assert found is not None
        for put, back in zip(tensors, found, strict=True):
            assert (back.dtype, back.shape) == (put.dtype, put.shape)
            assert back.tolist() == put.tolist() or back.tobytes() == put.tobytes()

    using(redis, scene)


def test_an_answer_is_gone_when_its_time_is_over(redis: RedisServer) -> None:
    async def scene(store: RedisStore) -> None:
        await store.put(KEY, [ONE], 60.0)
        life = redis.command("EVAL", f'{FIRST} return redis.call("PTTL", key)', "0")
        assert 59_000 < int(life) <= 60_000

    using(redis, scene)


def test_what_is_too_large_is_not_kept(redis: RedisServer) -> None:
    async def scene(store: RedisStore) -> None:
        await store.put(KEY, [np.zeros(LARGEST + 1, "u1")], 60.0)
        await store.put(KEY, [np.array([b"x" * LARGEST], object)], 60.0)
        assert redis.command("DBSIZE") == "0"

    using(redis, scene)


@pytest.mark.parametrize(
    "other", ['""', '"rubbish"', "string.sub(kept, 1, -2)", 'cmsgpack.pack({"key", {{1, 2, 3}}})']
)
def test_what_others_have_written_is_no_answer(redis: RedisServer, other: str) -> None:
    async def scene(store: RedisStore) -> None:
        await store.put(KEY, [ONE], 60.0)
        assert await store.get(KEY) is not None
        get, put = 'local kept = redis.call("GET", key)', f'redis.call("SET", key, {other})'
        redis.command("EVAL", f"{FIRST} {get} {put}", "0")
        assert await store.get(KEY) is None

    using(redis, scene)


def test_the_answer_to_another_question_is_none(redis: RedisServer) -> None:
    other = KEY[::-1]

    async def scene(store: RedisStore) -> None:
        await store.put(KEY, [ONE], 60.0)
        await store.put(other, [ONE], 60.0)
        mixed_up = 'local keys = redis.call("KEYS", "*") redis.call("COPY", keys[1], keys[2], '
        redis.command("EVAL", mixed_up + '"REPLACE")', "0")
        assert [await store.get(KEY), await store.get(other)].count(None) == 1

    using(redis, scene)


def test_nobody_waits_for_one_that_does_not_answer(redis: RedisServer) -> None:
    async def scene(store: RedisStore) -> None:
        redis.freeze()
        started = time.monotonic()
        assert [await store.get(KEY) for _ in range(100)] == [None] * 100
        assert time.monotonic() - started < 1.0  # 3 times 50 ms, then nothing
        redis.thaw()

    using(redis, scene, PATIENCE_SECONDS)


@pytest.mark.parametrize("url", ["nowhere", "http://127.0.0.1:1"])
def test_an_address_that_is_none_is_told_in_one_line(tmp_path: Path, url: str) -> None:
    write_models(tmp_path, "echo/1")
    settings = read_settings(["--models", str(tmp_path), "--providers", "cpu", "--redis", url])
    with pytest.raises(StartupError, match="--redis: expected redis://HOST:PORT/DB"):
        asyncio.run(serve(settings, Signals()))


# Servers that use it.


def cached(directory: Path) -> Path:
    write_models(directory, "echo/1")
    (directory / "echo/model.toml").write_text("[cache]")
    return directory


def use(served: Served, number: float) -> str:
    """Ask; return what the cache was to the request."""
    answer = served.infer("echo", tensor("x", [1, 1], [number]))
    assert (answer.status_code, answer.json()["outputs"][0]["data"]) == (200, [number])
    return str(answer.headers["Server-Timing"]).partition(",")[0].removeprefix("cache;desc=")


def test_servers_of_the_same_files_share_answers_and_no_others_do(
    redis: RedisServer, tmp_path: Path
) -> None:
    models = cached(tmp_path)
    assert "hit" not in first_uses(models, redis)
    assert "hit" in first_uses(models, redis)
    os.utime(models / "echo/1/model.onnx")
    assert "hit" not in first_uses(models, redis)


def first_uses(models: Path, redis: RedisServer) -> set[str]:
    """What the cache is to questions that this server has not been asked before."""
    with serving(models, "--redis", redis.url) as served:
        becomes(served.becomes_ready(), "hit")
        return {use(served, float(number)) for number in range(20)}


def test_a_server_starts_without_it_and_finds_it_later(redis: RedisServer, tmp_path: Path) -> None:
    redis.stop()
    with serving(cached(tmp_path), "--redis", redis.url) as served:
        served.becomes_ready()
        assert {use(served, 1.0) for _ in range(10)} == {"miss"}
        redis.start()
        becomes(served, "hit")


def stopped(redis: RedisServer, served: Served) -> None:
    redis.stop()
    becomes(served, "miss")
    redis.start()


def frozen(redis: RedisServer, served: Served) -> None:
    redis.freeze()
    becomes(served, "miss")
    redis.thaw()


def slowed(redis: RedisServer, served: Served) -> None:
    redis.command("CLIENT", "PAUSE", "1000", "ALL")
    becomes(served, "miss")


def flushed(redis: RedisServer, served: Served) -> None:
    redis.command("FLUSHALL")


@pytest.mark.parametrize("event", [stopped, frozen, slowed, flushed])
def test_no_request_fails_whatever_becomes_of_it(
    redis: RedisServer, tmp_path: Path, event: Callable[[RedisServer, Served], None]
) -> None:
    with serving(cached(tmp_path), "--redis", redis.url) as served:
        becomes(served.becomes_ready(), "hit")
        over = threading.Event()
        with ThreadPoolExecutor(4) as callers:
            traffic = [callers.submit(keep_asking, served, over) for _ in range(4)]
            try:
                event(redis, served)
                becomes(served, "hit")
            finally:
                over.set()
        assert sum(caller.result() for caller in traffic) > 0
        assert served.stop() == 0


def keep_asking(served: Served, over: threading.Event) -> int:
    """Ask some questions again and again; each has to be answered, and rightly."""
    asked = 0
    while not over.is_set():
        use(served, float(asked % 10))
        asked += 1
    return asked


def becomes(served: Served, wanted: str) -> None:
    """Wait until this is what the cache is to a question that is asked again."""
    end = time.monotonic() + SECONDS
    while [use(served, -1.0), use(served, -1.0)][1] != wanted:
        assert time.monotonic() < end, f"it never is a {wanted}"
