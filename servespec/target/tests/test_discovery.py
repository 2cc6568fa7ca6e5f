"""`init` writes what a server shows of itself, and says what it does not show."""

import http.server
import json
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from servespec.target import discovery
from servespec.target.discovery import InitError, detect, init
from servespec.target.manifest import load
from servespec.target.process import free_port
from servespec.wire import proto as pb

JSON = Mapping[str, Any]
SERVER = {"name": "small", "version": "1.2", "extensions": ["binary_tensor_data", "odd"]}


def tensor(name: str, shape: list[int], datatype: str = "FP32") -> JSON:
    return {"name": name, "datatype": datatype, "shape": shape}


def model(inputs: list[JSON], outputs: list[JSON]) -> JSON:
    return {"name": "m", "versions": ["1"], "platform": "", "inputs": inputs, "outputs": outputs}


MATRIX = [-1, -1]
ADD_SUB = model(
    [tensor("INPUT0", MATRIX), tensor("INPUT1", MATRIX)],
    [tensor("OUTPUT0", MATRIX), tensor("OUTPUT1", MATRIX)],
)
ROUTES: JSON = {
    "GET /v2": SERVER,
    "POST /v2/repository/index": [{"name": "add_sub"}, {"name": "simple"}, {"name": "mute"}],
    "GET /v2/models/add_sub": ADD_SUB,
    "GET /v2/models/simple": ADD_SUB,
    "GET /v2/models/witness": model([tensor("x", [-1, 1], "INT8")], []),
    "GET /v2/models/nonfinite": model([], []),
}


@contextmanager
def serving(routes: JSON, status: int = 404) -> Iterator[str]:
    """An HTTP server that answers these routes with JSON, everything else with `status`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            found = routes.get(f"{self.command} {self.path}")
            body = json.dumps(found).encode()
            self.send_response(status if found is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815  # the name that the base class looks for

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Planes(grpc.GenericRpcHandler):
    """Server metadata and one model's, over gRPC."""

    def __init__(self, name: str) -> None:
        self.answers = {
            "ServerMetadata": pb.ServerMetadataResponse(name=name, version="1.2"),
            "ModelMetadata": pb.ModelMetadataResponse(
                name="simple",
                inputs=[
                    pb.ModelMetadataResponse.TensorMetadata(name="x", datatype="FP32", shape=[-1])
                ],
            ),
        }

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        """The handler of one method, None for a method that this plane lacks."""
        answer = self.answers.get(details.method.rpartition("/")[2])
        if answer is None:
            return None
        return grpc.unary_unary_rpc_method_handler(lambda *_: answer.SerializeToString())


@contextmanager
def serving_grpc(name: str, port: int) -> Iterator[str]:
    """A gRPC plane that calls itself `name`."""
    server = grpc.server(ThreadPoolExecutor(2), handlers=[Planes(name)])
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


@pytest.fixture(autouse=True)
def grpc_port(monkeypatch: pytest.MonkeyPatch) -> int:
    """The only port that is tried for gRPC: others on this machine are not ours."""
    port = free_port()
    monkeypatch.setattr(discovery, "USUAL_GRPC_PORTS", (port,))
    return port


def test_the_written_file_loads_and_has_what_was_found(tmp_path: Path, grpc_port: int) -> None:
    file = tmp_path / "target.toml"
    with serving(ROUTES) as url, serving_grpc("small", grpc_port) as address:
        init(url, None, (), file)
    manifest = load(file)

    assert (manifest.target.name, manifest.target.version) == ("small", "1.2")
    assert (manifest.target.rest, manifest.target.grpc) == (url, address)
    assert list(manifest.claims) == ["oip-rest", "http", "oip-grpc", "binary"]
    assert manifest.fixtures["add_sub"].inputs == {"a": "INPUT0", "b": "INPUT1"}
    assert manifest.fixtures["add_sub"].outputs == {"sum": "OUTPUT0", "difference": "OUTPUT1"}


def test_what_cannot_be_judged_is_said(tmp_path: Path) -> None:
    file = tmp_path / "target.toml"
    with serving(ROUTES) as url:
        init(url, None, ["asked"], file)
    text = " ".join(file.read_text().replace("\n#", " ").split())

    assert "No gRPC plane of this server at 127.0.0.1, ports " in text
    assert "The model 'mute' has no metadata." in text
    assert "The model 'asked' has no metadata." in text
    assert "The model 'witness' has other tensors than the fixture of that name." in text
    assert "Not hosted: identity_bool" in text
    assert "Has the tensors of add_sub. If it computes the same, map it" in text
    assert "Not claimed, as the server does not list the extension: model_repository" in text
    assert "Extensions that no profile judges: odd." in text


def test_a_fixture_without_described_tensors_is_taken_by_its_name() -> None:
    with serving(ROUTES) as url:
        assert detect(url).fixtures["nonfinite"].inputs == {}


def test_another_servers_grpc_port_is_not_taken(grpc_port: int) -> None:
    with serving(ROUTES) as url, serving_grpc("stranger", grpc_port) as address:
        found = detect(url)

    assert found.grpc is None
    assert f"{address} speaks gRPC and calls itself 'stranger'." in found.notes


def test_a_server_with_grpc_only_is_described_over_grpc(tmp_path: Path, grpc_port: int) -> None:
    file = tmp_path / "target.toml"
    with serving({}) as url, serving_grpc("small", grpc_port) as address:
        init(url, address, ["simple"], file)
        found = detect(url, address, ["simple"])
    manifest = load(file)

    assert (manifest.target.rest, manifest.target.grpc) == (None, address)
    assert list(manifest.claims) == ["oip-grpc"]
    assert found.models["simple"].inputs[0].shape == (-1,)


@pytest.mark.parametrize("status", [404, 401, 500])
def test_a_server_without_the_protocol_gets_a_file_that_says_so(
    tmp_path: Path, status: int
) -> None:
    file = tmp_path / "target.toml"
    with serving({}, status) as url:
        init(url, None, (), file)

    assert load(file).claims == {}
    assert f"answers {status}" in file.read_text()


@pytest.mark.parametrize(
    "name", ['q"uote', "line\nbreak = 1", "\ud800", "[section]", "x" * 500, "\x7f\x00", "..", ""]
)
def test_whatever_a_server_calls_itself_the_file_loads(tmp_path: Path, name: str) -> None:
    hostile = {"name": name, "version": name, "extensions": [name]}
    index = [{"name": name}]
    with serving({"GET /v2": hostile, "POST /v2/repository/index": index}) as url:
        init(url, None, (), tmp_path / "target.toml")

    assert load(tmp_path / "target.toml").target.rest == url


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "target.toml"
    file.write_text("mine")
    with pytest.raises(InitError, match=r"target.toml: expected a file that is not there yet"):
        init("http://127.0.0.1:1", None, (), file)

    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:1", "expected a running server, found: "),
        ("127.0.0.1:1", "REST: expected a URL such as"),
    ],
)
def test_nothing_to_look_at_is_one_line(tmp_path: Path, url: str, expected: str) -> None:
    with pytest.raises(InitError, match=expected) as caught:
        init(url, None, (), tmp_path / "target.toml")

    assert "\n" not in str(caught.value)
    assert not (tmp_path / "target.toml").exists()
