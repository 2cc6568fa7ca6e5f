"""The repository extension on both planes: off unless asked for, and only for who has the token."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import grpc
import pytest
from google.protobuf.message import Message

from servespec.wire import proto

from .models import write_models
from .operating import TOKEN, Operated, operated
from .serving import SECONDS, launch, serving

Metadata: TypeAlias = tuple[tuple[str, str], ...]
AUTHORIZATION: Metadata = (("authorization", f"Bearer {TOKEN}"),)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    """A server with two versions of a model, all loaded after each test."""
    models = write_models(tmp_path_factory.mktemp("models"), "versioned/2", "versioned/10")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERVESPEC_ADMIN_TOKEN", TOKEN)
        with operated(models) as running:
            yield running


def call(
    server: Operated, method: str, message: Message, metadata: Metadata = AUTHORIZATION
) -> Message:
    """Call a method of the extension."""
    path = f"/{proto.SERVICE}/{method}"
    ask: grpc.UnaryUnaryMultiCallable[bytes, bytes] = server.served.channel.unary_unary(path)
    answer = ask(message.SerializeToString(), timeout=SECONDS, metadata=metadata)
    return proto.METHODS[method][1].FromString(answer)


def refusal(
    server: Operated, method: str, message: Message, metadata: Metadata = AUTHORIZATION
) -> tuple[grpc.StatusCode, str]:
    """How a call ends that does not succeed."""
    with pytest.raises(grpc.RpcError) as caught:
        call(server, method, message, metadata)
    return caught.value.code(), caught.value.details() or ""


def test_it_is_off_unless_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVESPEC_ADMIN_TOKEN", TOKEN)
    with serving(write_models(tmp_path, "echo/1")) as served:
        served.becomes_ready()
        headers = {"Authorization": f"Bearer {TOKEN}"}
        for path in ("index", "models/echo/load", "models/echo/unload"):
            assert served.rest.post(f"/v2/repository/{path}", headers=headers).status_code == 404
        with pytest.raises(grpc.RpcError) as caught:
            call(Operated(served, tmp_path), "RepositoryIndex", proto.RepositoryIndexRequest())
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert "model_repository" not in served.rest.get("/v2").json()["extensions"]


def test_without_a_token_it_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SERVESPEC_ADMIN_TOKEN", raising=False)
    with launch("--models", write_models(tmp_path, "echo/1"), "--repository-api") as process:
        _, said = process.communicate(timeout=10)
    expected = "reference_server: --repository-api: expected a token in SERVESPEC_ADMIN_TOKEN\n"
    assert (process.returncode, said) == (2, expected)


@pytest.mark.parametrize("said", [None, "", "Bearer", "Bearer other", f"Basic {TOKEN}", TOKEN])
def test_who_has_not_the_token_changes_nothing_and_sees_nothing(
    server: Operated, said: str | None
) -> None:
    headers = {} if said is None else {"Authorization": said}
    for path in ("index", "models/versioned/unload", "models/none/load"):
        answer = server.served.rest.post(f"/v2/repository/{path}", headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert TOKEN not in answer.text
    metadata = () if said is None else (("authorization", said),)
    unload = proto.RepositoryModelUnloadRequest(model_name="versioned")
    code, _ = refusal(server, "RepositoryModelUnload", unload, metadata)
    assert code is grpc.StatusCode.UNAUTHENTICATED
    assert server.states("versioned") == {"2": "READY", "10": "READY"}


def test_the_server_says_that_it_has_the_extension(server: Operated) -> None:
    assert "model_repository" in server.served.rest.get("/v2").json()["extensions"]


def test_both_planes_have_the_same_index(server: Operated) -> None:
    server.change("unload", "versioned", "10")
    for ready in (False, True):
        answer = call(server, "RepositoryIndex", proto.RepositoryIndexRequest(ready=ready))
        assert isinstance(answer, proto.RepositoryIndexResponse)
        rows = [(row.name, row.version, row.state, row.reason) for row in answer.models]
        index = server.index(ready=ready).values()
        fields = ("name", "version", "state", "reason")
        assert rows == [tuple(row.get(field, "") for field in fields) for row in index]
    server.change("load", "versioned")


def test_both_planes_load_and_unload(server: Operated) -> None:
    version = {"version": proto.ModelRepositoryParameter(string_param="2")}
    unload = proto.RepositoryModelUnloadRequest(model_name="versioned", parameters=version)
    call(server, "RepositoryModelUnload", unload)
    assert server.states("versioned") == {"2": "UNAVAILABLE", "10": "READY"}
    load = proto.RepositoryModelLoadRequest(model_name="versioned", parameters=version)
    call(server, "RepositoryModelLoad", load)
    assert server.states("versioned") == {"2": "READY", "10": "READY"}


def test_an_empty_body_asks_for_all_there_is(server: Operated) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answers = [
        server.served.rest.post("/v2/repository/index", headers=headers, content=body).json()
        for body in (b"", b"{}", b'{"ready": false}', b'{"more": 1}')
    ]
    assert answers == [answers[0]] * 4


@pytest.mark.parametrize(
    ("model", "members", "status", "text"),
    [
        ("none", {}, 404, "unknown model 'none'"),
        ("%2e%2e%2fmodels", {}, 404, "unknown model '../models'"),
        ("versioned", {"version": "7"}, 404, "model 'versioned' has no version '7'"),
        ("versioned", {"version": "../2"}, 404, "model 'versioned' has no version '../2'"),
        ("versioned", {"version": 2}, 400, "parameter 'version': 2; expected a string"),
        ("versioned", {"config": "{}"}, 400, "unknown parameter 'config'; expected version"),
        ("versioned", {"file:2/model.onnx": ""}, 400, "unknown parameter 'file:2/model.onnx'"),
    ],
)
def test_what_cannot_be_loaded_is_refused(
    server: Operated, model: str, members: dict[str, object], status: int, text: str
) -> None:
    answer = server.served.rest.post(
        f"/v2/repository/models/{model}/load",
        headers={"Authorization": f"Bearer {TOKEN}"},
        json={"parameters": members},
    )
    assert answer.status_code == status
    assert answer.json()["error"].startswith(text)


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"parameters": 1}', b"\xff"])
def test_a_body_that_is_none_is_refused(server: Operated, body: bytes) -> None:
    answer = server.served.rest.post(
        "/v2/repository/models/versioned/load",
        headers={"Authorization": f"Bearer {TOKEN}"},
        content=body,
    )
    assert (answer.status_code, answer.json()["error"][:9]) == (400, "the body:")


def test_other_repositories_are_unknown(server: Operated) -> None:
    asked = proto.RepositoryIndexRequest(repository_name="other")
    code, text = refusal(server, "RepositoryIndex", asked)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "unknown repository 'other'" in text


def test_a_refused_load_is_a_failed_precondition(server: Operated) -> None:
    (server.models / "versioned" / "12").mkdir(exist_ok=True)
    version = proto.ModelRepositoryParameter(string_param="12")
    message = proto.RepositoryModelLoadRequest(
        model_name="versioned", parameters={"version": version}
    )
    code, text = refusal(server, "RepositoryModelLoad", message)
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert text.startswith("model 'versioned' version '12' is not loaded: ")
    (server.models / "versioned" / "12").rmdir()
