"""A cache in Redis, and all that may become of Redis: the callers must not notice."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from servespec.fixtures import build
from servespec.target.manifest import Manifest
from servespec.target.process import TargetProcess, free_port
from servespec.target.target import Target
from servespec.target.traffic import Ledger, Outcome, Question, driving, poisson

from .redis_server import RedisServer
from .spinning import iterations_for, spinning

LOG = logging.getLogger(__name__)

FIXTURE = "cached_spin"
RATE = 50.0  # half of what the model can do without a cache
SECONDS = 40.0
STEP_SECONDS = 5.0
SLOW_SECONDS = 1.0
SERVICE_SECONDS = 0.01
DUPLICATES = 0.5
HOT = 16
SLOWER = 1.3  # the p99, over that without a cache


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A running Redis."""
    if not RedisServer.is_installed():
        pytest.fail("no redis-server on this machine", pytrace=False)
    server = RedisServer(tmp_path, free_port())
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.mark.timeout(240)
def test_whatever_becomes_of_redis_no_request_fails(
    manifest: Manifest,
    tmp_path: Path,
    redis: RedisServer,
) -> None:
    """Slowed, flushed, stopped and started again under load: all are answered, and as fast."""
    build(tmp_path / "models", [FIXTURE])
    with ExitStack() as stack:
        plain, cached = (
            stack.enter_context(closing(started(stack, manifest, tmp_path, arguments)))
            for arguments in (["--cache-bytes", "0"], ["--redis", redis.url])
        )
        iterations = iterations_for(plain, FIXTURE, SERVICE_SECONDS)
        without = Traffic(plain, iterations).driven(lambda: None)
        harmed = Traffic(cached, iterations).driven(lambda: harm(redis))

    for ledger in (without, harmed):
        wrong = [row for row in ledger.rows if row.outcome is not Outcome.ANSWERED]
        assert not wrong, f"{len(wrong)} of {len(ledger.rows)}: {wrong[0].detail}"
    usual, found = (tail(ledger) for ledger in (without, harmed))
    figures = f"p99 {found:.3f} s, without a cache {usual:.3f} s, of {len(harmed.rows)} requests"
    LOG.info("%s", figures)
    assert found <= SLOWER * usual, figures


def started(stack: ExitStack, manifest: Manifest, folder: Path, arguments: Sequence[str]) -> Target:
    """A server that is ready, with more arguments than the target file gives it."""
    assert manifest.start is not None
    more = replace(manifest.start, command=(*manifest.start.command, *arguments))
    log = folder / f"{arguments[0].strip('-')}.log"
    process = TargetProcess.start(replace(manifest, start=more), models=folder / "models", log=log)
    stack.enter_context(process)
    process.wait_ready()
    return Target.at(process.addresses.rest or "")


def harm(redis: RedisServer) -> None:
    """Do to it all that happens to a Redis, with a while of peace between."""
    steps: Sequence[Callable[[], object]] = (
        lambda: redis.slow_down(SLOW_SECONDS),
        lambda: redis.command("FLUSHALL"),
        redis.stop,
        redis.start,
        lambda: redis.slow_down(SLOW_SECONDS),
    )
    for step in steps:
        time.sleep(STEP_SECONDS)
        step()


class Traffic:
    """Requests of which half repeat one of a few; the others are asked once."""

    def __init__(self, target: Target, iterations: int) -> None:
        self._target = target
        self._iterations = iterations
        self._repeats = np.random.default_rng(3).random(round(2 * RATE * SECONDS)) < DUPLICATES

    def driven(self, meanwhile: Callable[[], None]) -> Ledger:
        """What became of them, while something else happened."""
        schedule = poisson(RATE, SECONDS, seed=4)
        with driving(self._target.rest, schedule, self._question) as traffic:
            meanwhile()
        return traffic.ledger

    def _question(self, number: int) -> Question:
        which = number % HOT if self._repeats[number] else HOT + number
        rows = [self._iterations, which % self._iterations]
        return spinning(self._target, FIXTURE, number, rows, parameters={"number": which})


def tail(ledger: Ledger) -> float:
    """The 99th percentile of the seconds, from the intended moments."""
    return float(np.percentile([row.done - row.intended for row in ledger.rows], 99))
