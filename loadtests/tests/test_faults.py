"""A run in which something happened to the generator is INVALID, whatever its answers say."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .loading import Ended, Loading, load, load_with_a_fault
from .misbehaving import Misbehaving, Reply, misbehaving

STOPPED_SECONDS = 1.5
STUTTERED_SECONDS = 5.5


def _kill_a_worker(loading: Loading, _server: Misbehaving) -> None:
    _, workers = loading.locusts()
    os.kill(workers[0].pid, signal.SIGKILL)


def _stand_still(loading: Loading, server: Misbehaving) -> None:
    locust, _ = loading.locusts()
    os.kill(locust.pid, signal.SIGSTOP)
    server.stopped.wait(STOPPED_SECONDS)
    os.kill(locust.pid, signal.SIGCONT)


def _stop_by_hand(loading: Loading, _server: Misbehaving) -> None:
    loading.locusts()
    loading.process.send_signal(signal.SIGTERM)


def _stutter(loading: Loading, server: Misbehaving) -> None:
    """Four fifths of the time it stands still, and sends then what was due meanwhile."""
    locust, _ = loading.locusts()
    end = time.monotonic() + STUTTERED_SECONDS
    while time.monotonic() < end:
        os.kill(locust.pid, signal.SIGSTOP)
        server.stopped.wait(0.16)
        os.kill(locust.pid, signal.SIGCONT)
        server.stopped.wait(0.04)


def _in_background(fault: Callable[[Loading, Misbehaving], None]) -> Callable[..., None]:
    """While the server goes on to answer."""
    return lambda *given: threading.Thread(target=fault, args=given).start()


Fault = tuple[int, Callable[[Loading, Misbehaving], None], tuple[str, ...]]
FAULTS: Mapping[str, Fault] = {
    "killed": (30, _kill_a_worker, ("--processes=2",)),
    "still": (120, _stand_still, ()),
    "stopped": (30, _stop_by_hand, ("--processes=2",)),
    "stuttering": (1, _in_background(_stutter), ("--seconds=6", "--slo=p50 < 20ms")),
}


_A_FAILING_WORKER = """
import json
from loadtests.distributed.master import Master
from loadtests.distributed.worker import Assignment, Worker
from loadtests.sending.plan import Plan

class Channel:
    def workers(self):
        return ["the only one"]
    def send(self, kind, data, worker):
        assert kind == "assign"
        self.worker.assign(Assignment.of(data))
        self.worker.drive()

def no_access():
    raise OSError("no room")

channel = Channel()
master = Master(Plan(), "http://127.0.0.1:1", channel)
hear = lambda kind, data: getattr(master, kind)(data)
channel.worker = Worker(hear, lambda *_: None, no_access)
master.begin()
print(json.dumps([master.is_over(), master.problems]))
"""
"""gevent stays out of the tests' own process."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Ended]:
    """All at the same time: none of them is about how long something takes."""

    def run(name: str) -> Ended:
        at, fault, words = FAULTS[name]
        return load_with_a_fault(folders[name], at, fault, *words)

    # The factory takes no two calls at once.
    folders = {name: tmp_path_factory.mktemp(name) for name in FAULTS}

    with ThreadPoolExecutor(len(FAULTS)) as threads:
        return dict(zip(FAULTS, threads.map(run, FAULTS), strict=True))


def test_a_worker_killed_in_the_run_makes_it_invalid(runs: Mapping[str, Ended]) -> None:
    ended = runs["killed"]

    assert (ended.code, ended.report["verdict"]) == (1, "INVALID")
    assert "was lost before its last report" in ended.text
    assert ended.report["summary"]["fates"]["answered"] > 30


def test_a_generator_that_stood_still_has_not_sent_its_load(runs: Mapping[str, Ended]) -> None:
    ended = runs["still"]

    assert (ended.code, ended.report["verdict"]) == (1, "INVALID")
    assert any("of the load by the schedule's end" in why for why in ended.report["spoilt"])
    assert ended.report["summary"]["fates"] == {"answered": 150}


def test_a_miss_by_the_generators_lateness_alone_is_not_the_servers(
    runs: Mapping[str, Ended],
) -> None:
    ended = runs["stuttering"]
    kept, missed = ended.report["judgements"]

    assert (ended.code, ended.report["spoilt"]) == (1, [])
    assert kept["verdict"] == "PASS"
    assert missed["verdict"] == "INVALID", missed["sentence"]
    assert "without the generator's lateness p50 is" in missed["sentence"]


def test_a_request_that_was_shed_makes_the_run_invalid_and_the_generator_is_told_of(
    tmp_path: Path,
) -> None:
    with misbehaving(lambda number: Reply(hangs=number == 0)) as server:
        words = ["--rate=50", "--seconds=1", "--slo=p50 < 1s", "--in-flight=1"]
        words += ["--answer-seconds=2"]
        ended = load(tmp_path, f"--target-url={server.url}", *words)

    assert (ended.code, ended.report["verdict"]) == (1, "INVALID")
    assert any("the generator shed" in why for why in ended.report["spoilt"])
    assert "a bare loop is late by" in ended.text
    assert "a server that does nothing answers in" in ended.text


def test_a_run_that_was_stopped_is_told_of_and_says_nothing(runs: Mapping[str, Ended]) -> None:
    ended = runs["stopped"]

    assert (ended.code, ended.report["verdict"]) == (128 + signal.SIGTERM, "INVALID")
    assert any("stopped before" in why for why in ended.report["spoilt"])
    assert set(ended.report["summary"]["fates"]) <= {"answered", "unasked", "lost"}


def test_nearly_all_that_a_worker_reaches_is_refused_before_it_is_sent(
    tmp_path: Path,
) -> None:
    with misbehaving(lambda _: Reply()) as server:
        words = ["--rate=50000", "--seconds=0.4", "--slo=p50 < 1s"]
        ended = load(tmp_path, f"--target-url={server.url}", *words)

    assert (ended.code, ended.report["verdict"]) == (1, "INVALID")
    assert re.search(
        r"has to send 5\d,\d{3} requests a second, more than 70% .* it takes \d+ workers",
        ended.report["spoilt"][0],
    )
    assert len(ended.report["spoilt"]) == 1
    assert server.asked == []
    assert ended.left == []


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_is_left_running(name: str, runs: Mapping[str, Ended]) -> None:
    assert runs[name].left == []


def test_a_worker_that_cannot_go_on_ends_the_run_and_says_why() -> None:
    told = subprocess.run(
        [sys.executable, "-c", _A_FAILING_WORKER],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip

    assert json.loads(told.stdout) == [True, ["worker 0 failed: OSError: no room"]]
