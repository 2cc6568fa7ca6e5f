"""Answers that are used again, seen from outside."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from servespec.wire import proto

from ..cache import MemoryStore
from ..codec import Codec
from ..metrics import Reuses
from ..model_file import read_model_file
from ..reusing import Reusing
from .models import write_models
from .serving import Served, serving, tensor

ONE = tensor("x", [1, 1], [1.0])
TURNS = tensor("turns", [], [300], "INT64")
MODELS = {"echo/1": "[cache]", "pair/1": "coalesce = false\n[cache]", "slow/1": "coalesce = true"}


def write(directory: Path) -> Path:
    write_models(directory, *MODELS, "picky/1")
    for model, settings in MODELS.items():
        (directory / model).with_name("model.toml").write_text(settings)
    return directory


@pytest.fixture(scope="module")
def reusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of models that cache, coalesce, or do neither."""
    with serving(write(tmp_path_factory.mktemp("models"))) as server:
        yield server.becomes_ready()


def use(answer: httpx.Response) -> str:
    """What the cache was to a request; empty: it says nothing."""
    assert answer.status_code == 200
    first = answer.headers["Server-Timing"].partition(",")[0]
    return str(first).partition("desc=")[2]


def ask(served: Served, number: float, cache_control: str = "", **members: Any) -> httpx.Response:
    return served.rest.post(
        "/v2/models/echo/infer",
        json={"inputs": [tensor("x", [1, 1], [number])], **members},
        headers={"Cache-Control": cache_control},
    )


def count(served: Served, series: str) -> float:
    page = served.rest.get("/metrics").text
    return float(dict(line.rsplit(" ", 1) for line in page.splitlines())[series])


def test_a_hit_has_its_own_id_and_no_time_of_the_engine(reusing: Served) -> None:
    miss, hit = (ask(reusing, 2.0, id=each) for each in ("first", "second"))
    assert (use(miss), use(hit)) == ("miss", "hit")
    assert (hit.json()["id"], hit.json()["outputs"]) == ("second", miss.json()["outputs"])
    assert "compute" in miss.headers["Server-Timing"]
    assert "compute" not in hit.headers["Server-Timing"]


@pytest.mark.parametrize(
    "wish", [{"cache_control": "no-cache"}, {"parameters": {"cache": False}}], ids=str
)
def test_who_does_not_want_a_cached_answer_gets_none(reusing: Served, wish: Any) -> None:
    ask(reusing, 3.0)
    assert use(ask(reusing, 3.0, **wish)) == "bypass"
    assert use(ask(reusing, 3.0)) == "hit"


def test_both_planes_share_the_cache_and_the_ways_around_it(reusing: Served) -> None:
    ask(reusing, 5.0)
    x = proto.ModelInferRequest.InferInputTensor(name="x", datatype="FP32", shape=[1, 1])
    x.contents.fp32_contents.append(5.0)
    request = proto.ModelInferRequest(model_name="echo", inputs=[x])
    assert told(reusing, request) == "cache;desc=hit"
    assert told(reusing, request, "no-cache") == "cache;desc=bypass"
    request.parameters["cache"].bool_param = False
    assert told(reusing, request) == "cache;desc=bypass"


def told(served: Served, request: proto.ModelInferRequest, cache_control: str = "") -> str:
    """Ask over gRPC; return what the trailing metadata say first."""
    infer: grpc.UnaryUnaryMultiCallable[bytes, bytes] = served.channel.unary_unary(
        f"/{proto.SERVICE}/ModelInfer"
    )
    metadata = (("cache-control", cache_control),) if cache_control else ()
    _, call = infer.with_call(request.SerializeToString(), timeout=10, metadata=metadata)
    (said,) = (value for key, value in call.trailing_metadata() if key == "server-timing")
    return str(said).partition(",")[0]


def test_requests_that_came_to_the_cache_are_counted_by_what_it_was_to_them(
    reusing: Served,
) -> None:
    series = 'inference_cache_total{{model="echo",result="{}",version="1"}}'.format
    before = [count(reusing, series(result)) for result in ("hit", "miss", "bypass")]
    for cache_control in ("", "", "", "no-store"):
        ask(reusing, 7.0, cache_control)
    after = [count(reusing, series(result)) for result in ("hit", "miss", "bypass")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [2, 1, 1]


def test_a_model_that_neither_caches_nor_coalesces_says_nothing_of_it(reusing: Served) -> None:
    page = reusing.rest.get("/metrics").text
    answer = reusing.infer("picky", tensor("x", [1], [1.0]), tensor("shape", [1], [1], "INT64"))
    assert use(answer) == ""
    assert not [line for line in page.splitlines() if "picky" in line and "cache" in line]
    assert 'inference_coalesced_total{model="pair",version="1"}' not in page


def test_twenty_identical_requests_run_once(reusing: Served) -> None:
    executed = 'inference_batch_rows_count{model="slow",version="1"}'
    joined = 'inference_coalesced_total{model="slow",version="1"}'
    before = count(reusing, executed), count(reusing, joined)
    with reusing.slow(turns=3000) as busy:  # so that all of them are there in time
        with ThreadPoolExecutor(20) as callers:
            answers = [callers.submit(reusing.infer, "slow", TURNS) for _ in range(20)]
        assert busy.getresponse().status == 200
    assert {answer.result().status_code for answer in answers} == {200}
    assert (count(reusing, executed), count(reusing, joined)) == (before[0] + 2, before[1] + 19)


def test_without_room_for_it_there_is_no_cache(tmp_path: Path) -> None:
    with serving(write(tmp_path), "--cache-bytes", "0") as served:
        served.becomes_ready()
        assert [use(ask(served, 1.0)) for _ in range(2)] == ["", ""]
        assert "inference_cache" not in served.rest.get("/metrics").text


# Loads.


class Shared(MemoryStore):
    """A store that outlives the process."""

    shared = True


def generation(folder: Path, store: MemoryStore) -> bytes:
    """What tells a load from others, as `model.toml` has it."""
    reusing = Reusing(store, Codec(), lambda *_: Reuses())
    return reusing.generation(folder, read_model_file(folder.parent))


def test_each_load_has_keys_of_its_own(tmp_path: Path) -> None:
    folder, store = write(tmp_path) / "echo/1", MemoryStore(1, Codec())
    assert generation(folder, store) != generation(folder, store)


@pytest.mark.parametrize("file", ["1/model.onnx", "1/model.onnx.data", "steps.py", "model.toml"])
def test_where_answers_outlive_a_load_its_keys_are_those_of_the_same_files(
    tmp_path: Path, file: str
) -> None:
    folder, store = write(tmp_path) / "echo/1", Shared(1, Codec())
    before = [generation(folder, store) for _ in range(2)]
    with (folder.parent / file).open("ab") as changed:
        changed.write(b"\n")
    assert before[0] == before[1] != generation(folder, store)


def test_another_version_of_a_model_changes_nothing(tmp_path: Path) -> None:
    folder, store = write(tmp_path) / "echo/1", Shared(1, Codec())
    before = generation(folder, store)
    shutil.copytree(folder, folder.with_name("2"))
    assert generation(folder, store) == before
