"""The operator sets routes: at once, for good, and nobody else does."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from .models import write_models
from .serving import SECONDS, Served, launch, serving, tensor

TOKEN = "a-token-of-the-tests"
ONES = {"weights": {"2": 1, "10": 0}}
TENS = {"weights": {"2": 0, "10": 1}}


@dataclass(frozen=True)
class Operated:
    """A server, and its operator."""

    server: Served
    admin: httpx.Client

    def put(self, routes: Any, model: str = "versioned") -> httpx.Response:
        """Set routes."""
        content = routes if isinstance(routes, bytes) else json.dumps(routes).encode()
        return self.admin.put(f"/admin/models/{model}/routes", content=content)

    def weights(self) -> dict[str, float]:
        """What is in force."""
        (model,) = self.admin.get("/admin/state").json()["models"]
        weights: dict[str, float] = model["routes"]["weights"]
        return weights

    def serving(self) -> str:
        """The version that answers."""
        answer = self.server.infer("versioned", tensor("x", [1], [1.0]))
        assert answer.status_code == 200
        said = answer.json()
        assert said["outputs"][0]["data"] == [1.0 if said["model_version"] == "2" else -1.0]
        return str(said["model_version"])


@contextlib.contextmanager
def operating(folder: Path) -> Iterator[Operated]:
    """A server of one model in two versions, whose state is in `folder`."""
    (folder / "state").mkdir(exist_ok=True)
    if not (folder / "models").exists():
        write_models(folder / "models", "versioned/2", "versioned/10")
    flags = ("--admin-port", "0", "--state", str(folder / "state"))
    with (
        serving(folder / "models", *flags) as server,
        httpx.Client(
            base_url=f"http://{server.doors['admin']}",
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=SECONDS,
        ) as admin,
    ):
        yield Operated(server.becomes_ready(), admin)


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVESPEC_ADMIN_TOKEN", TOKEN)


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERVESPEC_ADMIN_TOKEN", TOKEN)
        with operating(tmp_path_factory.mktemp("operated")) as found:
            yield found


def test_weights_are_in_force_when_they_are_answered(operated: Operated) -> None:
    for routes, version in ((ONES, "2"), (TENS, "10")) * 5:
        assert operated.put(routes).status_code == 200
        assert operated.serving() == version
    assert operated.put({"weights": {}}).json() == {"weights": {}, "sticky": None, "mirror": None}
    assert operated.serving() == "10"


@pytest.mark.parametrize("scheme", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN])
def test_who_has_no_token_sees_and_sets_nothing(operated: Operated, scheme: str) -> None:
    before = operated.admin.get("/admin/state").json()["models"][0]["routes"]
    headers = {"Authorization": scheme}
    body = json.dumps(ONES)
    put = operated.admin.put("/admin/models/versioned/routes", content=body, headers=headers)
    for answer in (operated.admin.get("/admin/state", headers=headers), put):
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert TOKEN not in answer.text
        assert "versioned" not in answer.text
    assert operated.admin.get("/admin/state").json()["models"][0]["routes"] == before


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "the body: Input data was truncated"),
        (b"\xff", "the body: "),
        (b"{", "the body: Input data was truncated"),
        (b"[]", "the body: Expected `object`, got `array`"),
        ({"weight": {}}, "the body: Object contains unknown field `weight`"),
        ({"weights": {"2": "1"}}, "the body: Expected `float`, got `str` - at `$.weights[...]`"),
        ({"weights": {"2": -1}}, "the body: Expected `float` >= 0.0 - at `$.weights[...]`"),
        ({"weights": {"2": 1e10}}, "the body: Expected `float` <= 1000000000.0"),
        (b'{"weights": {"2": 1e999}}', "the body: "),
        ({"weights": {"2": 0}}, "weights: expected one above 0"),
        ({"weights": {"3": 1}}, "model 'versioned' has no version '3'"),
        ({"weights": {"../2": 1}}, "the body: "),
        ({"weights": {"2": 1}, "mirror": "3"}, "model 'versioned' has no version '3'"),
        ({"weights": {"2": 1}, "mirror": "2"}, "mirror: expected a version without a weight"),
        ({"sticky": {}}, "sticky: expected either header or parameter"),
        ({"sticky": {"header": "a b"}}, "the body: "),
        ({"sticky": {"header": "a", "parameter": "b"}}, "sticky: expected either"),
    ],
)
def test_a_body_that_is_no_route_is_refused_in_one_line_and_changes_nothing(
    operated: Operated, body: Any, said: str
) -> None:
    operated.put(ONES)
    answer = operated.put(body)
    assert answer.status_code == 400
    (text,) = answer.json().values()
    assert text.startswith(said)
    assert "\n" not in text
    assert operated.weights() == {"2": 1.0, "10": 0.0}


def test_what_is_not_there_and_other_methods_are_refused(operated: Operated) -> None:
    assert operated.put(ONES, "unknown").status_code == 404
    assert operated.admin.get("/admin/models/versioned/routes").headers["allow"] == "PUT"
    assert operated.admin.post("/admin/state").headers["allow"] == "GET"
    assert operated.admin.get("/admin").status_code == 404
    too_large = operated.put(b" " * 2**17)
    assert too_large.status_code == 413


def test_the_main_door_and_the_probes_know_nothing_of_it(operated: Operated) -> None:
    assert operated.server.rest.get("/admin/state").status_code == 404


def test_two_operators_at_once_leave_what_one_of_them_asked(operated: Operated) -> None:
    choices = [{"2": float(number), "10": float(100 - number)} for number in range(1, 41)]
    with ThreadPoolExecutor(8) as threads:
        answers = [*threads.map(lambda weights: operated.put({"weights": weights}), choices)]
    assert {answer.status_code for answer in answers} == {200}
    assert operated.weights() in choices


def test_the_state_tells_what_each_version_does(operated: Operated) -> None:
    operated.put(ONES)
    for _ in range(3):
        operated.serving()
    (model,) = operated.admin.get("/admin/state").json()["models"]
    assert (model["name"], model["set_at_run_time"]) == ("versioned", True)
    first, second = model["versions"]
    assert (first["version"], first["state"], first["weight"]) == ("2", "ready", 1.0)
    assert first["requests"]["rest 200"] >= 3
    assert sum(count for _, count in first["request_seconds"]) == sum(first["requests"].values())
    assert (second["version"], second["weight"], second["queue"]) == ("10", 0.0, 0)


def test_routes_survive_a_restart_and_a_kill(tmp_path: Path) -> None:
    with operating(tmp_path) as one:
        one.put(ONES)
        one.server.process.kill()
    with operating(tmp_path) as two:
        assert two.serving() == "2"
        assert two.server.stop() == 0
    with operating(tmp_path) as three:
        assert three.weights() == {"2": 1.0, "10": 0.0}


def asked_until_it_is_gone(one: Operated) -> list[dict[str, float]]:
    """All weights, the last of which got no answer."""
    asked = [{"2": 1.0, "10": 0.0}]
    with contextlib.suppress(httpx.TransportError):
        while True:
            asked.append({"2": float(len(asked)), "10": 1.0})
            one.put({"weights": asked[-1]})
    return asked


@pytest.mark.parametrize("attempt", range(4))
def test_a_kill_while_weights_change_leaves_those_of_before_or_of_after(
    tmp_path: Path, attempt: int
) -> None:
    kill = "import os, signal, sys; os.kill(int(sys.argv[1]), signal.SIGKILL)"
    with operating(tmp_path) as one:
        one.put(ONES)
        killer = subprocess.Popen([sys.executable, "-c", kill, str(one.server.process.pid)])
        asked = asked_until_it_is_gone(one)
        assert killer.wait(SECONDS) == 0
    with operating(tmp_path) as two:
        assert two.weights() in asked[-2:]


def test_what_cannot_be_written_is_told_in_one_line_and_the_old_stays(tmp_path: Path) -> None:
    with operating(tmp_path) as one:
        one.put(ONES)
        # The name that a new state is written under is a full disk.
        os.symlink("/dev/full", tmp_path / "state/routes.json.new")
        answer = one.put(TENS)
        assert answer.status_code == 507
        assert answer.json() == {"error": "the state cannot be kept: No space left on device"}
        assert one.serving() == "2"
        assert one.put(TENS).status_code == 200  # there is room again


def test_a_state_that_is_none_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    models = write_models(tmp_path / "models", "versioned/2")
    (tmp_path / "routes.json").write_text('{"routes": {"versioned": 7}}')
    with launch("--models", models, "--state", tmp_path) as process:
        _, printed = process.communicate(timeout=SECONDS)
    assert (process.returncode, printed.count("\n")) == (2, 1)
    assert "routes.json: expected a state of this server: Expected `object`" in printed


def test_two_servers_do_not_share_a_state(tmp_path: Path) -> None:
    with operating(tmp_path):
        flags = ("--models", tmp_path / "models", "--state", tmp_path / "state")
        with launch(*flags, "--http-port", "0", "--grpc-port", "0") as process:
            _, printed = process.communicate(timeout=SECONDS)
    assert (process.returncode, "another server uses it" in printed) == (2, True)


@pytest.mark.parametrize(
    ("token", "flags", "said"),
    [
        ("", ("--admin-port", "0"), "--admin-port: expected a token in SERVESPEC_ADMIN_TOKEN"),
        (TOKEN, ("--admin-port", "0"), "--admin-port: expected --state DIR, to keep what is set"),
    ],
)
def test_the_door_is_off_without_a_token_and_a_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str, flags: tuple[str, ...], said: str
) -> None:
    monkeypatch.setenv("SERVESPEC_ADMIN_TOKEN", token)
    with launch("--models", tmp_path, *flags) as process:
        _, printed = process.communicate(timeout=SECONDS)
    assert (process.returncode, said in printed) == (2, True)
