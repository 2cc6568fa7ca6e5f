"""Versions come and go while requests do: none fails, and what is refused changes nothing."""

import hashlib
import itertools
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .models import write_model, write_models
from .operating import TOKEN, Operated, Stream, operated
from .serving import tensor

ANSWERS = {"2": 1.0, "10": -1.0}
"""What each version of `versioned` answers to 1."""
NEG = "(float[N] x) => (float[N] y) { y = Neg(x) }"
ABS = "(float[N] x) => (float[N] y) { y = Abs(x) }"
OTHER = "(float[N] z) => (float[N] y) { y = Identity(z) }"
REFUSED = "(float[N] x) => (float[N] y) { y = NoSuchOperator(x) }"


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers of this module know the operator."""
    monkeypatch.setenv("SERVESPEC_ADMIN_TOKEN", TOKEN)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Operated]:
    """A server with two versions of a model, for one test alone."""
    with operated(write_models(tmp_path, "versioned/2", "versioned/10", "slow/1", "echo/1")) as it:
        yield it


def stream(server: Operated) -> Stream:
    """Clients who name no version."""
    return Stream(server.served.doors["http"], "/v2/models/versioned/infer")


def test_no_request_fails_while_versions_are_loaded_reloaded_and_unloaded(
    server: Operated,
) -> None:
    end = time.monotonic() + 2.0
    with stream(server) as clients:
        while time.monotonic() < end:
            for verb, version in (("load", ""), ("unload", "10"), ("load", "10"), ("load", "2")):
                assert server.change(verb, "versioned", version).status_code == 200
    assert len(clients.answers) >= 150
    assert {status for status, _, _ in clients.answers} == {200}
    assert {version for _, version, _ in clients.answers} == {"2", "10"}
    assert all(ANSWERS[version] == value for _, version, value in clients.answers)


def test_a_version_finishes_what_it_has_begun_before_it_is_freed(server: Operated) -> None:
    with server.served.slow(2000) as connection:
        assert server.change("unload", "slow").status_code == 200
        answer = connection.getresponse()
        assert answer.status == 200
    assert server.states("slow") == {"1": "UNAVAILABLE"}


def test_a_version_that_goes_takes_nothing_more(server: Operated) -> None:
    with server.served.slow(3000), ThreadPoolExecutor(1) as operator:
        going = operator.submit(server.change, "unload", "slow")
        while server.states("slow") != {"1": "UNLOADING"}:
            assert not going.done()
        refused = server.served.infer("slow", tensor("turns", [], [1], "INT64"))
        assert (refused.status_code, going.result().status_code) == (404, 200)
    assert refused.json() == {"error": "model 'slow' version '1' is being unloaded"}


def test_what_is_unloaded_is_not_ready_and_the_server_is(server: Operated) -> None:
    server.change("unload", "echo")
    rest = server.served.rest
    assert rest.get("/v2/models/echo/ready").json() == {"name": "echo", "ready": False}
    assert rest.get("/v2/models/echo").status_code == 404
    assert rest.get("/v2/health/ready").status_code == 200
    assert server.index(ready=True).keys() == {
        ("versioned", "2"),
        ("versioned", "10"),
        ("slow", "1"),
    }
    assert 'model_state{model="echo",state="unloaded",version="1"} 1.0' in rest.get("/metrics").text


def test_who_names_no_version_gets_the_latest_that_is_loaded(server: Operated) -> None:
    assert server.value("versioned") == ("10", -1.0)
    server.change("unload", "versioned", "10")
    assert server.value("versioned") == ("2", 1.0)
    assert server.served.rest.get("/v2/models/versioned").json()["versions"] == ["2"]


def cut(path: Path) -> None:
    """Truncate a file."""
    path.write_bytes(path.read_bytes()[:-10])


def flip(path: Path) -> None:
    """Change one bit in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def add(path: Path) -> None:
    """Put another file beside it."""
    path.with_name("extra").touch()


@pytest.mark.parametrize(
    ("harm", "complaint"),
    [
        (flip, "model.onnx is corrupt or truncated: it has sha256"),
        (cut, "model.onnx is corrupt or truncated: it has sha256"),
        (Path.unlink, "SHA256SUMS names model.onnx, which is missing"),
        (add, "extra is not in SHA256SUMS"),
    ],
)
def test_a_version_that_is_not_what_its_manifest_says_is_refused(
    server: Operated, harm: Callable[[Path], None], complaint: str
) -> None:
    folder = server.models / "versioned" / "11"
    shutil.copytree(server.models / "versioned" / "10", folder)
    write_manifest(folder)
    harm(folder / "model.onnx")
    must_be_refused(server, "11", complaint)


def write_manifest(folder: Path) -> None:
    """Do as `sha256sum * > SHA256SUMS`."""
    files = sorted(path for path in folder.iterdir() if path.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (folder / "SHA256SUMS").write_text("".join(lines))


def must_be_refused(server: Operated, version: str, complaint: str) -> None:
    """Loading it is refused in one line that names it, and those of before serve on."""
    before = server.value("versioned")
    answer = server.change("load", "versioned", version)
    text = answer.json()["error"]
    assert (answer.status_code, "\n" in text, str(server.models) in text) == (409, False, False)
    assert text.startswith(f"model 'versioned' version '{version}' is not loaded: ")
    assert complaint in text
    assert server.value("versioned") == before
    assert server.index()["versioned", version]["reason"] == text
    assert server.served.rest.get("/v2/health/ready").status_code == 200


def test_a_version_with_another_signature_is_refused(server: Operated) -> None:
    write_model(server.models / "versioned/11", OTHER)
    must_be_refused(server, "11", "input 'x' is missing, and FP32 [-1] in version 10, which serves")


def test_a_graph_that_the_runtime_does_not_take_is_refused(server: Operated) -> None:
    write_model(server.models / "versioned/11", REFUSED)
    must_be_refused(server, "11", "NoSuchOperator")


def test_a_reload_that_is_refused_leaves_the_version_that_serves(server: Operated) -> None:
    write_model(server.models / "versioned/10", OTHER)
    must_be_refused(server, "10", "input 'x' is missing")
    assert server.states("versioned") == {"2": "READY", "10": "READY"}


def test_of_several_versions_all_are_loaded_or_none(server: Operated) -> None:
    write_model(server.models / "versioned/2", ABS)
    write_model(server.models / "versioned/11", REFUSED)
    assert server.change("load", "versioned").status_code == 409
    assert server.value("versioned", "2") == ("2", 1.0)
    assert server.states("versioned") == {"2": "READY", "10": "READY", "11": "UNAVAILABLE"}


def test_a_load_beyond_the_memory_is_refused_and_harms_nobody(tmp_path: Path) -> None:
    write_models(tmp_path, "versioned/2", "zeros/1")
    with operated(tmp_path, "--memory-bytes", str(2**22)) as server:
        path = tmp_path / "versioned" / "11" / "model.onnx"
        write_model(path.parent, NEG)
        path.with_name("weights").write_bytes(bytes(2**22))
        for _ in range(3):
            must_be_refused(server, "11", "and of --memory-bytes 4194304 the other models leave")
        assert zeros(server, 1000) == 200
        assert zeros(server, 2**22) == 503
        path.with_name("weights").unlink()
        assert server.change("load", "versioned", "11").status_code == 200


def zeros(server: Operated, count: int) -> int:
    """The status of an inference that takes so many FP32."""
    return server.served.infer("zeros", tensor("n", [1], [count], "INT64")).status_code


def test_what_a_version_took_of_the_memory_is_there_for_its_next_load(tmp_path: Path) -> None:
    write_models(tmp_path, "versioned/2", "echo/1")
    (tmp_path / "versioned/2/weights").write_bytes(bytes(2**21 - 2**10))
    with operated(tmp_path, "--memory-bytes", str(2**22)) as server:
        for _ in range(4):
            assert server.change("load", "versioned").status_code == 200
        assert server.change("unload", "versioned").status_code == 200
        assert server.change("load", "versioned").status_code == 200


def test_an_answer_that_was_kept_is_not_that_of_the_version_that_comes(tmp_path: Path) -> None:
    write_models(tmp_path, "versioned/2")
    (tmp_path / "versioned" / "model.toml").write_text("[cache]\nttl_seconds = 600")
    with operated(tmp_path) as server:
        assert [server.value("versioned")[1] for _ in range(2)] == [1.0, 1.0]
        write_model(tmp_path / "versioned/2", NEG)
        server.change("load", "versioned")
        assert server.value("versioned")[1] == -1.0


@pytest.mark.parametrize(
    ("table", "loaded"),
    [
        ("", {"2": "READY", "10": "READY"}),
        ("latest = 1", {"2": "UNAVAILABLE", "10": "READY"}),
        ('specific = ["2"]', {"2": "READY", "10": "UNAVAILABLE"}),
    ],
)
def test_the_model_file_chooses_the_versions(
    tmp_path: Path, table: str, loaded: dict[str, str]
) -> None:
    write_models(tmp_path, "versioned/2", "versioned/10")
    (tmp_path / "versioned" / "model.toml").write_text(f"[versions]\n{table}")
    with operated(tmp_path) as server:
        assert server.states("versioned") == loaded
        server.change("unload", "versioned")
        server.change("load", "versioned")
        assert server.states("versioned") == loaded


def test_a_load_takes_out_what_the_model_file_does_not_choose_any_more(server: Operated) -> None:
    (server.models / "versioned" / "model.toml").write_text("[versions]\nlatest = 1")
    write_model(server.models / "versioned/11", ABS)
    with stream(server) as clients:
        assert server.change("load", "versioned").status_code == 200
    assert {status for status, _, _ in clients.answers} == {200}
    assert server.states("versioned") == {"2": "UNAVAILABLE", "10": "UNAVAILABLE", "11": "READY"}


def test_of_two_operators_the_later_wins_and_none_is_lost(server: Operated, tmp_path: Path) -> None:
    verbs = [*itertools.islice(itertools.cycle(("load", "unload")), 40)]
    with ThreadPoolExecutor(8) as operators:
        answers = [*operators.map(lambda verb: server.change(verb, "versioned"), verbs)]
    assert {answer.status_code for answer in answers} == {200}
    assert set(server.states("versioned").values()) in ({"READY"}, {"UNAVAILABLE"})
    server.change("load", "versioned")
    assert server.states("versioned") == {"2": "READY", "10": "READY"}


def test_an_operator_who_leaves_does_not_leave_half_of_it(server: Operated) -> None:
    with server.served.slow(1000):
        with pytest.raises(Exception, match="timed out"):
            server.served.rest.post(
                "/v2/repository/models/slow/unload",
                headers={"Authorization": f"Bearer {TOKEN}"},
                timeout=0.05,
            )
        end = time.monotonic() + 5
        while server.states("slow") != {"1": "UNAVAILABLE"}:
            assert time.monotonic() < end
