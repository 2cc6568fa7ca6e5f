"""What a target file says reaches the load, and no secret of it a command line."""

import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
import pytest

from servespec.target.manifest import ManifestError
from servespec.verdicts.verdict import Verdict
from servespec.wire.proto import ModelInferRequest

from ..sending.access import Access
from ..sending.records import Fate
from ..showing.terminal import exit_code
from .driving import drive
from .loading import load
from .misbehaving import Reply, misbehaving

TOKEN = "open-sesame"
TARGET = """
[target]
name = "guarded"
{address}

[auth]
headers = {{ Authorization = "Bearer env:LOAD_TEST_TOKEN" }}
ca_file = "certificate.pem"
client_certificate = "certificate.pem"
client_key = "key.pem"

[fixtures.identity_fp32]
model = "mine"
version = "3"
inputs = {{ x = "input" }}

[objectives]
half = "p50 < 10s"
"""
NEW = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
NEW_FILES = "-subj /CN=t -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out certificate.pem"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate that is its own authority, the server's and the client's."""
    if not shutil.which("openssl"):
        pytest.skip("needs openssl to make a certificate")
    folder = tmp_path_factory.mktemp("guarded")
    command = [*NEW.split(), *NEW_FILES.split()]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=30)
    return folder


def _context(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    context.load_verify_locations(folder / "certificate.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def _command_lines() -> str:
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(file.read_text(errors="replace"))
        except OSError:  # gone meanwhile
            continue
    return "\n".join(lines)


def test_token_authority_certificate_names_and_objectives_reach_the_load(
    guarded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOAD_TEST_TOKEN", TOKEN)
    seen: list[str] = []

    def look(_: int) -> Reply:
        seen.append(_command_lines())
        return Reply()

    with misbehaving(look, _context(guarded)) as server:
        address = f'rest = "{server.url}"'
        (guarded / "target.toml").write_text(TARGET.format(address=address))
        ended = load(guarded, "--target=target.toml", "--profile=smoke", "--seconds=1")

    assert (ended.code, ended.report["verdict"]) == (0, "PASS")
    assert [each["objective"] for each in ended.report["judgements"]] == ["p50 < 10s"]
    assert server.numbers == list(range(20))
    for _, request in server.asked:
        assert request.startswith(b"POST /v2/models/mine/versions/3/infer HTTP/1.1\r\n")
        assert f"\r\nAuthorization: Bearer {TOKEN}\r\n".encode() in request
        assert b'"name":"input"' in request.replace(b" ", b"")
    assert "locustfile.py" in seen[0]
    assert TOKEN not in "".join(seen)


@contextmanager
def _over_grpc(folder: Path, seen: list[tuple[str, ModelInferRequest]]) -> Iterator[str]:
    def answer(data: bytes, context: grpc.ServicerContext) -> bytes:
        token = str(dict(context.invocation_metadata())["authorization"])
        seen.append((token, ModelInferRequest.FromString(data)))
        return b""

    class Handler(grpc.GenericRpcHandler):
        def service(self, _: object) -> "grpc.RpcMethodHandler[bytes, bytes]":
            return grpc.unary_unary_rpc_method_handler(answer)

    certificate = (folder / "certificate.pem").read_bytes()
    pair = [((folder / "key.pem").read_bytes(), certificate)]
    server = grpc.server(futures.ThreadPoolExecutor(1), [Handler()])
    credentials = grpc.ssl_server_credentials(pair, certificate, require_client_auth=True)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def test_over_grpc_they_reach_it_too(guarded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOAD_TEST_TOKEN", TOKEN)
    seen: list[tuple[str, ModelInferRequest]] = []
    target = guarded / "grpc.toml"
    with _over_grpc(guarded, seen) as address:
        target.write_text(TARGET.format(address=f'grpc = "{address}"'))
        records = drive(address, np.arange(5) / 50, plane="grpc", target=target).records

    assert records.counts()[Fate.ANSWERED] == 5
    for token, request in seen:
        assert token == f"Bearer {TOKEN}"
        assert (request.model_name, request.model_version) == ("mine", "3")
        assert request.inputs[0].name == "input"


def test_an_unset_variable_is_named_and_no_secret_is_shown(
    guarded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = guarded / "secret.toml"
    target.write_text(TARGET.format(address='rest = "https://127.0.0.1:1"'))
    monkeypatch.setenv("LOAD_TEST_TOKEN", TOKEN)
    assert TOKEN not in repr(Access.of(target))

    monkeypatch.delenv("LOAD_TEST_TOKEN")
    with pytest.raises(ManifestError, match="LOAD_TEST_TOKEN"):
        Access.of(target)


@pytest.mark.parametrize("verdict", Verdict)
def test_only_what_holds_or_is_not_judged_exits_with_0(verdict: Verdict) -> None:
    assert exit_code(verdict) == (0 if verdict in ("PASS", "NOT_RUN") else 1)


def test_a_missing_extra_is_one_line() -> None:
    module = "servespec.suites.loadtests"
    program = "import runpy, sys; sys.modules['locust'] = None; "
    program += f"runpy.run_module({module!r}, run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )

    assert done.returncode == 2
    assert "expected the package locust, found none: pip install 'servespec[load]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1
