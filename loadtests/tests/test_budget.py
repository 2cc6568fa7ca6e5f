"""Where a request's time went."""

import json
import os
import subprocess
import sys
from concurrent import futures
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np
import pytest

from servespec.target.manifest import load
from servespec.target.objective import ObjectiveError
from servespec.verdicts.verdict import Verdict

from ..judging.budget import PARTS, Limit, budget_of, durations
from ..judging.gates import Run
from ..judging.report import report_of
from ..sending.records import Fate
from .driving import drive
from .runs import run_of
from .scripted import scripted

HEADER = "queue;dur=2, compute;dur=5, total;dur=8"


def told(seconds: float = 0.010, header: str = HEADER, count: int = 480) -> Run:
    """A run whose answers took so long, and all told the same."""
    return replace(run_of(np.full(count, seconds)), timings=dict.fromkeys(range(count), header))


def test_the_parts_add_up_to_the_response_time() -> None:
    budget = budget_of(told(), [])

    assert budget is not None
    assert sum(part.mean for part in budget.parts) == pytest.approx(0.010, abs=1e-4)
    means = {part.name: round(part.mean, 4) for part in budget.parts}
    assert means == {
        "lag": 0.0, "network": 0.002, "queue": 0.002, "inference": 0.005, "residual": 0.001,
    }  # fmt: skip


def test_the_parts_come_in_the_order_of_a_requests_life() -> None:
    header = "total;dur=9, postprocess;dur=1, compute;dur=1, preprocess;dur=1, queue;dur=1"

    budget = budget_of(told(header=header), [])

    assert budget is not None
    assert tuple(part.name for part in budget.parts) == PARTS


def test_a_part_of_the_servers_own_is_shown_before_the_residual() -> None:
    budget = budget_of(told(header="guard;dur=1, total;dur=8"), [])

    assert budget is not None
    assert [part.name for part in budget.parts][-2:] == ["guard", "residual"]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("inference < 6ms", Verdict.PASS),
        ("inference < 4ms", Verdict.FAIL),
        ("queue p95 < 3ms", Verdict.PASS),
        ("queue p95 < 1ms", Verdict.FAIL),
        ("postprocess < 1ms", Verdict.UNTESTABLE),
    ],
)
def test_a_part_is_held_against_its_limit(text: str, verdict: Verdict) -> None:
    budget = budget_of(told(), [Limit.parse(text)])

    assert budget is not None
    assert budget.judgements[0].verdict is verdict


def test_few_answers_cannot_tell_a_percentile() -> None:
    budget = budget_of(told(count=20), [Limit.parse("inference p99 < 6ms")])

    assert budget is not None
    assert budget.judgements[0].verdict is Verdict.INCONCLUSIVE


def test_a_run_that_the_generator_spoilt_judges_no_part() -> None:
    run = told()
    run.records.fate[7] = Fate.SHED

    budget = budget_of(run, [Limit.parse("inference < 6ms")])

    assert budget is not None
    assert budget.judgements[0].verdict is Verdict.INVALID


def test_a_part_beyond_its_limit_fails_the_run() -> None:
    assert report_of(told(), "", [], [Limit.parse("inference < 4ms")]).verdict is Verdict.FAIL


def test_answers_that_tell_nothing_make_no_budget() -> None:
    assert budget_of(run_of(np.full(50, 0.01)), []) is None
    assert budget_of(told(header="cache;desc=hit"), []) is None


def test_a_header_is_read_as_the_standard_has_it() -> None:
    header = 'cache;desc=hit, db ; DUR=1.5;desc="x", app;desc=y;dur="3", odd;dur=soon'

    assert durations(header) == {"db": 0.0015, "app": 0.003}


@pytest.mark.parametrize("text", ["inference", "engine < 5ms", "inference error_rate < 1%", ""])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(ObjectiveError):
        Limit.parse(text)


def test_a_limit_is_written_as_it_is_read() -> None:
    assert str(Limit.parse("inference<20ms")) == "inference mean < 20ms"
    assert Limit.parse(str(Limit.parse("queue p99 < 5ms"))) == Limit.parse("queue p99 < 5ms")


def test_the_target_file_has_limits(tmp_path: Path) -> None:
    file = tmp_path / "target.toml"
    file.write_text(
        '[target]\nname = "a"\nrest = "http://127.0.0.1:1"\n[budget]\nqueue = "p99 < 5ms"\n'
    )

    assert str(load(file).budget["queue"]) == "p99 < 5ms"


def test_live_a_server_over_grpc_tells_in_its_trailing_metadata() -> None:
    def answer(_data: bytes, context: grpc.ServicerContext) -> bytes:
        context.set_trailing_metadata((("server-timing", HEADER),))
        return b""

    class Handler(grpc.GenericRpcHandler):
        def service(self, _: object) -> "grpc.RpcMethodHandler[bytes, bytes]":
            return grpc.unary_unary_rpc_method_handler(answer)

    server = grpc.server(futures.ThreadPoolExecutor(1), [Handler()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        timings = drive(f"127.0.0.1:{port}", np.arange(33) / 100, plane="grpc").timings
    finally:
        server.stop(None).wait(5)

    assert timings == {"0": HEADER, "16": HEADER, "32": HEADER}


def test_live_the_parts_of_a_server_that_tells_them_are_reported(tmp_path: Path) -> None:
    report = tmp_path / "load.json"
    command = [str(Path(sys.executable).with_name("locust")), "-f", "loadtests/locustfile.py"]
    command += ["--headless", "--only-summary", "--rate", "200", "--seconds", "2"]
    command += ["--budget", "inference < 100ms", "--load-report", str(report)]
    with scripted(tmp_path / "log") as address:
        command += ["--host", f"{address}/x1"]
        subprocess.run(command, capture_output=True, timeout=60, check=False, env=os.environ)
    budget = json.loads(report.read_text())["budget"]

    means = {part["name"]: part["mean"] for part in budget["parts"]}
    assert 0.045 < means["inference"] < 0.060
    assert budget["judgements"][0]["verdict"] == "PASS"
    assert 15 < budget["requests"] < 40
