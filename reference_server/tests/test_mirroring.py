"""A shadow is asked the same, and nobody hears of it."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from servespec.wire import proto

from ..records import Records
from .models import write_model
from .serving import SECONDS, Served, serving, tensor

ECHO = "(float[N] x) => (float[N] y) { y = Identity(x) }"
NEGATION = "(float[N] x) => (float[N] y) { y = Neg(x) }"
FAILURE = """(float[N] x) => (float[M] y) {
    wrong = Constant <value_ints = [7, 7]> ()
    shape = Shape(x)
    sum = Concat <axis = 0> (shape, wrong)
    z = Reshape(x, sum)
    flat = Constant <value_ints = [-1]> ()
    y = Reshape(z, flat)
}"""
HANGING = """(float[N] x) => (float[N] y) {
    largest = ReduceMax <keepdims = 0> (x)
    many = Constant <value = float {1000000000000}> ()
    product = Mul(largest, many)
    turns = Cast <to = 7> (product)
    yes = Constant <value = bool {1}> ()
    y = Loop (turns, yes, x) <body = g (int64 i, bool go, float[N] a)
        => (bool on, float[N] b) { on = Identity(go)  b = Neg(a) }>
}"""
"""Answers 0, as which it is warmed up, and hangs at 1."""
ROUTES = '[routes]\nweights = { "1" = 1 }\nmirror = "2"\n'


@contextlib.contextmanager
def mirroring(folder: Path, shadow: str, more: str = "") -> Iterator[Served]:
    """A server whose model `m` has this shadow."""
    state = folder / "state"
    state.mkdir()
    write_model(folder / "models/m/1", ECHO)
    if shadow:
        write_model(folder / "models/m/2", shadow)
    (folder / "models/m/model.toml").write_text(more + ROUTES)
    with serving(folder / "models", "--state", str(state)) as server:
        yield server.becomes_ready()


def ask(server: Served, value: float = 1.0, path: str = "", **more: Any) -> httpx.Response:
    """An answer, which is the one of version 1."""
    body = {"inputs": [tensor("x", [1], [value])], **more}
    answer = server.rest.post(f"/v2/models/m{path}/infer", json=body)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["model_version"], answer.headers["model-version"]) == ("1", "1")
    assert answer.json()["outputs"][0]["data"] == [value]
    return answer


def counted(server: Served, fate: str) -> int:
    """How many copies had this fate."""
    series = f'inference_shadow_total{{model="m",result="{fate}",version="2"}} '
    lines = server.rest.get("/metrics").text.splitlines()
    return sum(int(float(line.removeprefix(series))) for line in lines if line.startswith(series))


def until(promise: Callable[[], bool]) -> None:
    """Wait for what happens behind the answers."""
    end = time.monotonic() + SECONDS
    while not promise():
        assert time.monotonic() < end, "it does not happen"


def lines(folder: Path) -> list[dict[str, Any]]:
    """What was recorded."""
    return [*map(json.loads, (folder / "state/mirrored.jsonl").read_text().splitlines())]


def test_the_shadows_answer_is_recorded_beside_the_one_that_was_served(tmp_path: Path) -> None:
    with mirroring(tmp_path, NEGATION) as server:
        ask(server, 3.0, id="mine")
        until(lambda: counted(server, "different") == 1)
    (line,) = lines(tmp_path)
    assert (line["model"], line["id"], line["fate"]) == ("m", "mine", "different")
    assert line["inputs"][0]["data"] == [3.0]
    assert line["served"]["version"] == "1"
    assert line["served"]["outputs"][0]["data"] == [3.0]
    assert line["shadow"]["version"] == "2"
    assert line["shadow"]["outputs"][0]["data"] == [-3.0]


def test_a_shadow_that_computes_the_same_is_counted_so(tmp_path: Path) -> None:
    with mirroring(tmp_path, ECHO) as server:
        for value in range(20):
            ask(server, float(value))
        until(lambda: counted(server, "same") == 20)
        page = server.rest.get("/metrics").text  # and is no request of anybody
        assert (
            'inference_requests_total{code="200",model="m",plane="rest",version="1"} 20\n' in page
        )
        assert 'inference_requests_total{code="200",model="m",plane="rest",version="2"} 0\n' in page


def test_a_shadow_that_fails_fails_nobody(tmp_path: Path) -> None:
    with mirroring(tmp_path, FAILURE) as server:
        for _ in range(20):
            ask(server)
        until(lambda: counted(server, "failed") == 20)
    assert all("raised while it ran" in line["shadow"]["error"] for line in lines(tmp_path))


def test_a_shadow_that_hangs_delays_nobody_and_what_it_cannot_take_is_dropped(
    tmp_path: Path,
) -> None:
    with mirroring(tmp_path, HANGING) as server:
        for _ in range(300):
            ask(server)
        assert counted(server, "dropped") == 300 - 8 - 256
        assert server.stop() == 0
    assert not (tmp_path / "state/mirrored.jsonl").exists()


def test_a_shadow_that_is_not_there_fails_nobody(tmp_path: Path) -> None:
    with mirroring(tmp_path, "") as server:
        ask(server)


def test_answers_from_a_cache_are_version_1s_and_the_shadow_leaves_none_there(
    tmp_path: Path,
) -> None:
    with mirroring(tmp_path, NEGATION, "[cache]\n") as server:
        told = [ask(server).headers["server-timing"] for _ in range(3)]
        assert [text.split(",")[0] for text in told] == [
            f"cache;desc={use}" for use in ("miss", "hit", "hit")
        ]
        until(lambda: counted(server, "different") == 3)
        body = {"inputs": [tensor("x", [1], [1.0])]}
        pinned = server.rest.post("/v2/models/m/versions/2/infer", json=body)
        assert pinned.headers["server-timing"].startswith("cache;desc=miss")
        assert pinned.json()["outputs"][0]["data"] == [-1.0]


def test_who_names_a_version_is_not_mirrored(tmp_path: Path) -> None:
    with mirroring(tmp_path, NEGATION) as server:
        ask(server, path="/versions/1")
        ask(server)
        until(lambda: counted(server, "different") == 1)
    assert len(lines(tmp_path)) == 1


def test_calls_are_mirrored_too(tmp_path: Path) -> None:
    with mirroring(tmp_path, NEGATION) as server:
        request = proto.ModelInferRequest(model_name="m", id="mine")
        request.inputs.add(name="x", datatype="FP32", shape=[1]).contents.fp32_contents[:] = [1.0]
        server.call("ModelInfer", request)
        until(lambda: counted(server, "different") == 1)
    assert [line["id"] for line in lines(tmp_path)] == ["mine"]


def test_records_never_outgrow_their_limit_and_keep_the_newest(tmp_path: Path) -> None:
    records = Records(tmp_path / "r", 1000)
    for number in range(500):
        records.add(b"line %d" % number)
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1000
    text = (tmp_path / "r.1").read_text() + (tmp_path / "r").read_text()
    numbers = [int(line.split()[1]) for line in text.splitlines()]
    assert numbers == [*range(numbers[0], 500)]
    assert len(numbers) > 40


def test_a_full_disk_is_told_once_and_harms_nothing(caplog: pytest.LogCaptureFixture) -> None:
    records = Records(Path("/dev/full"), 1000)
    for _ in range(3):
        records.add(b"line")
    assert [record.getMessage() for record in caplog.records] == [
        "/dev/full: what is mirrored is not recorded: No space left on device"
    ]
