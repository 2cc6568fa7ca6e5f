"""Versions of a model come, go and change their shares under load: no request may notice."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import count, cycle, islice, takewhile
from pathlib import Path

import httpx
import pytest
from grpc import StatusCode

from servespec.fixtures import build
from servespec.rollout.routers import ReferenceRouter
from servespec.target.exchange import Exchange
from servespec.target.manifest import Manifest
from servespec.target.process import TargetProcess, free_port
from servespec.target.target import Target
from servespec.target.traffic import Ledger, Outcome, Question, constant, driving
from servespec.wire import proto as pb

LOG = logging.getLogger(__name__)

FIXTURE = "constant"
"""Each version answers with its own number."""
RATE = 200.0
SECONDS = 30.0
CHANGES = 100
STEPS: Sequence[tuple[Mapping[str, float], str, str]] = (
    ({"1": 0.5, "2": 0.5}, "unload", "1"),
    ({"1": 0.0, "2": 1.0}, "load", "1"),
    ({"1": 0.1, "2": 0.9}, "load", ""),
    ({"1": 0.9, "2": 0.1}, "unload", "2"),
    ({"1": 1.0, "2": 0.0}, "load", "2"),
    ({"1": 0.5, "2": 0.5}, "load", ""),
)
"""Shares, and what is loaded anew or unloaded next: a version that has a share stays."""
PAUSE = 0.1
"""Seconds from one change to the next: each is felt by some twenty requests."""
TOKEN = "of-this-experiment"
GRPC_CALLERS = 2


@dataclass(frozen=True)
class Operator:
    """Who changes the server: its repository over REST, its shares at the operator's door."""

    repository: httpx.Client
    router: ReferenceRouter

    def move(self, verb: str, version: str) -> None:
        """Load or unload a version, or all."""
        parameters = {"version": version} if version else {}
        path = f"/v2/repository/models/{FIXTURE}/{verb}"
        answer = self.repository.post(path, json={"parameters": parameters})
        assert answer.status_code == 200, f"{verb} {version}: {answer.text}"


@pytest.fixture
def server(manifest: Manifest, tmp_path: Path) -> Iterator[tuple[Target, Operator]]:
    """A server with two versions of a model that can be changed at run time."""
    build(tmp_path / "models", [FIXTURE])
    (tmp_path / "state").mkdir()
    door = free_port()
    flags = ("--repository-api", "--state", str(tmp_path / "state"), "--admin-port", str(door))
    assert manifest.start is not None
    start = replace(
        manifest.start,
        command=(*manifest.start.command, *flags),
        environment={**manifest.start.environment, "SERVESPEC_ADMIN_TOKEN": TOKEN},
    )
    told = replace(manifest, start=start)
    log = tmp_path / "server.log"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with TargetProcess.start(told, models=tmp_path / "models", log=log) as process:
        process.wait_ready()
        url = process.addresses.rest or ""
        with (
            closing(Target.at(url, process.addresses.grpc)) as target,
            httpx.Client(base_url=url, headers=headers, timeout=30) as repository,
            httpx.Client(base_url=f"http://127.0.0.1:{door}", headers=headers) as operator,
        ):
            yield target, Operator(repository, ReferenceRouter(operator, FIXTURE))


@pytest.mark.timeout(120)
def test_versions_and_weights_change_under_load_and_no_request_fails(
    server: tuple[Target, Operator],
) -> None:
    """Each answer is that of the version that it names, and each id is answered once."""
    target, operator = server
    schedule = constant(RATE, SECONDS)
    with (
        calling(target) as answers,
        driving(target.rest, schedule, lambda number: question(target, number)) as traffic,
    ):
        for weights, verb, version in islice(cycle(STEPS), CHANGES):
            operator.router.set(weights)
            operator.move(verb, version)
            time.sleep(PAUSE)
        ended = time.monotonic()

    assert ended < traffic.ledger.started + SECONDS, "the load ended before the changes did"
    must_be_answered_once(traffic.ledger)
    LOG.info("over gRPC: %s", dict(answers))
    assert set(answers) == {"1", "2"}


@contextmanager
def calling(target: Target) -> Iterator[Counter[str]]:
    """Callers who ask over gRPC one call after the other; how many answers there were, by version.

    An answer that is none, or not what the version that it names computes, is counted by itself.
    """
    over, answers = threading.Event(), Counter[str]()

    def ask(first: int) -> Counter[str]:
        numbers = takewhile(lambda _: not over.is_set(), count(first, GRPC_CALLERS))
        return Counter(answered(target, number) for number in numbers)

    with ThreadPoolExecutor(GRPC_CALLERS) as callers:
        asking = [callers.submit(ask, first) for first in range(GRPC_CALLERS)]
        try:
            yield answers
        finally:
            over.set()
    for each in asking:
        answers += each.result()


def answered(target: Target, number: int) -> str:
    """The version that answers over gRPC; all that is known where it is not a right answer."""
    x = pb.ModelInferRequest.InferInputTensor(name="x", datatype="FP32", shape=[1, 1])
    x.contents.fp32_contents.append(number)
    call = target.grpc.infer(FIXTURE, inputs=[x], version="", id=str(number))
    if call.code is not StatusCode.OK:
        return f"{number}: {call.code.name} {call.details}"
    version, came = call.message.model_version, call.array("y").ravel().tolist()
    return mistake(number, version, came, call.message.id) or version


def mistake(number: int, version: str, came: Sequence[float], named: str) -> str | None:
    """What is wrong with an answer, held to what the version that it names computes."""
    if (came, named) == ([float(version)], str(number)):
        return None
    return f"{number} was answered {came} as {named} by version {version}"


def question(target: Target, number: int) -> Question:
    """Asks whichever version it is sent to, and holds the answer to what that one computes."""
    x = {"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [number]}
    message = target.rest.message(FIXTURE, {"id": str(number), "inputs": [x]})

    def accept(exchange: Exchange) -> str | None:
        version, named = exchange.answer("model_version"), exchange.answer("id")
        return mistake(number, version, exchange.values("y"), named)

    return Question(str(number), message, accept)


def must_be_answered_once(ledger: Ledger) -> None:
    """FAIL unless each request got one answer, its own, and both versions were asked."""
    wrong = [row for row in ledger.rows if row.outcome is not Outcome.ANSWERED]
    versions = Counter(row.version for row in ledger.rows)
    figures = f"{len(ledger.rows)} requests, {len(wrong)} failed, by version {dict(versions)}"
    LOG.info("%d changes: %s", CHANGES, figures)
    assert not wrong, (
        f"{figures}; the first: {wrong[0].id} at {wrong[0].intended:.2f} s: {wrong[0].detail}"
    )
    assert len({row.id for row in ledger.rows}) == round(RATE * SECONDS)
    assert min(versions["1"], versions["2"]) > len(ledger.rows) / 10, figures
