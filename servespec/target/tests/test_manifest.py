"""A target file says what it means or is refused in one line."""

import hashlib
from dataclasses import fields
from pathlib import Path

import pytest

from servespec.target.manifest import (
    CLAIMABLE,
    Manifest,
    ManifestError,
    load,
)
from servespec.target.objective import Objective
from servespec.target.sections import (
    Auth,
    Chaos,
    FixtureNames,
    Metrics,
    Ports,
    Probes,
    Start,
    TargetSection,
)

FULL = """
[target]
name = "ours"
version_command = ["{python}", "--version"]
dialect = "oip"
rest = "http://127.0.0.1:{http_port}/prefix"

[start]
command = ["{python}", "{here}/serve.py", "--models={models}", "{http_port}", "{grpc_port}"]
environment = { OMP_NUM_THREADS = "1" }
requirements = "requirements.txt"
ready_seconds = 20
stop_seconds = 1.5
ready_path = "/ready"

[ports]
http = 8080

[auth]
headers = { Authorization = "Bearer env:TOKEN", X-Key = "env:KEY" }
ca_file = "requirements.txt"

[fixtures.add_sub]
model = "simple"
version = "2"
inputs = { a = "INPUT0", b = "INPUT1" }

[claims.batching]
max_rows = 8
delay_ms = 5.0
[claims.binary]

[probes]
startup = "/startupz"
[metrics]
requests = "nv_inference_request_success"
[objectives]
tail = "p99 < 50ms"
[quantization.int8]
model = "digits_int8"
[chaos]
kill = ["pkill", "worker"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "requirements.txt").touch()
    return tmp_path / "target.toml"


def loaded(file: Path, text: str) -> Manifest:
    file.write_text(text)
    return load(file)


def test_every_section_is_read(file: Path) -> None:
    manifest = loaded(file, FULL)

    assert manifest.start is not None
    assert manifest.start.requirements == file.parent / "requirements.txt"
    assert (manifest.start.ready_seconds, manifest.start.stop_seconds) == (20.0, 1.5)
    assert (manifest.ports.http, manifest.ports.grpc) == (8080, 0)
    assert manifest.fixtures["add_sub"].inputs == {"a": "INPUT0", "b": "INPUT1"}
    assert manifest.claims == {"batching": {"max_rows": 8, "delay_ms": 5.0}, "binary": {}}
    assert manifest.probes.startup == "/startupz"
    assert manifest.metrics.requests == "nv_inference_request_success"
    assert manifest.metrics.in_flight == "inference_in_flight"
    assert manifest.objectives == {"tail": Objective.parse("p99 < 50ms")}
    assert manifest.quantization == {"int8": {"model": "digits_int8"}}
    assert manifest.chaos.kill == ("pkill", "worker")


def test_a_result_can_be_tied_to_the_bytes_of_the_file(file: Path) -> None:
    assert loaded(file, FULL).sha256 == hashlib.sha256(FULL.encode()).hexdigest()


def test_planes_are_those_with_an_address_or_a_port_in_the_command(file: Path) -> None:
    only_grpc = loaded(file, '[target]\nname = "x"\n[start]\ncommand = ["serve", "{grpc_port}"]\n')

    assert (only_grpc.serves_rest, only_grpc.serves_grpc) == (False, True)


def test_header_values_come_from_the_environment_only(file: Path) -> None:
    manifest = loaded(file, FULL)

    assert manifest.headers({"TOKEN": "abc", "KEY": "k"}) == {
        "Authorization": "Bearer abc",
        "X-Key": "k",
    }
    with pytest.raises(ManifestError, match=r"\[auth\] headers.X-Key: expected .* variable KEY"):
        manifest.headers({"TOKEN": "abc"})


@pytest.mark.parametrize("value", ['{ A = "Bearer s3cret" }', '"s3cret"', '["s3cret"]'])
def test_a_literal_secret_is_refused_and_not_repeated(file: Path, value: str) -> None:
    with pytest.raises(ManifestError, match=r"headers: expected values from the env") as caught:
        loaded(file, f'[target]\nname = "x"\nrest = "http://h"\n[auth]\nheaders = {value}\n')

    assert "s3cret" not in str(caught.value)


def test_a_password_in_a_url_is_refused_and_not_repeated(file: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        loaded(file, '[target]\nname = "x"\nrest = "http://me:s3cret@host"\n')

    assert "s3cret" not in str(caught.value)


TARGET = '[target]\nname = "x"\nrest = "http://host:8080"\n'
STARTED = '[target]\nname = "x"\n[start]\ncommand = ["serve", "{http_port}"]\n'

MISTAKES = [
    ("", "[target] name: expected a name of letters, digits"),
    ('[target]\nrest = "http://h"\n', "[target] name: expected a name of letters"),
    ('[target]\nname = "a b"\n', "found 'a b'"),
    ('[target]\nname = ".."\n', "found '..'"),
    ('[target]\nname = "x"\n', "[target] rest: expected a URL, or a [start] command"),
    ('[target]\nname = "x"\nrest = "host:8080"\n', "[target] rest: expected a URL such as"),
    ('[target]\nname = "x"\nrest = "http://h:{http_port}"\n', "as there is no [start], found"),
    ('[target]\nname = "x"\nrest = "http://h:99999"\n', "[target] rest: expected a URL such as"),
    ('[target]\nname = "x"\ngrpc = "http://h:1"\n', "[target] grpc: expected an address such as"),
    ('[target]\nname = "x"\ndialect = "v1"\n', "[target] dialect: expected one of oip, found 'v1'"),
    ("target = 3\n", "[target]: expected a table, found 3"),
    ("[strat]\n", "[strat]: expected a known name, found 'strat' (did you mean 'start'?)"),
    ("name = 3\n", "[name]: expected a known name, found 'name' (known: target, start"),
    (TARGET + "[start]\n", "[start] command: expected a list of words"),
    (
        TARGET + '[start]\ncomand = ["a"]\n',
        "[start] comand: expected a known name, found 'comand' (did you mean 'command'?)",
    ),
    (TARGET + '[start]\ncommand = "serve"\n', "[start] command: expected a list of words"),
    (TARGET + "[start]\ncommand = []\n", "found []"),
    (TARGET + '[start]\ncommand = ["{port}"]\n', "no placeholder but {http_port}, {grpc_port}"),
    (STARTED + "ready_seconds = 0\n", "[start] ready_seconds: expected a number of seconds"),
    (STARTED + "ready_seconds = true\n", "found True"),
    (STARTED + 'ready_path = "ready"\n', "[start] ready_path: expected a path such as"),
    (STARTED + 'requirements = "no.txt"\n', "[start] requirements: expected a file, its path"),
    (STARTED + "environment = { A = 1 }\n", "[start] environment: expected a table of strings"),
    (TARGET + "[ports]\nhttp = 70000\n", "[ports] http: expected a port from 1 to 65535"),
    (TARGET + '[auth]\nclient_key = "target.toml"\n', "[auth] client_certificate: expected a file"),
    (TARGET + "[fixtures.add_sab]\n", "'add_sab' (did you mean 'add_sub'?)"),
    (TARGET + "[fixtures.add_sub]\nmodel = 1\n", "[fixtures.add_sub] model: expected a string"),
    (TARGET + "[fixtures]\nadd_sub = 1\n", "[fixtures.add_sub]: expected a table, found 1"),
    (TARGET + "[claims.bathcing]\n", "'bathcing' (did you mean 'batching'?)"),
    (TARGET + "[claims.batching]\na = { b = 1 }\n", "[claims.batching] a: expected a string, a n"),
    (TARGET + "[objectives]\na = 5\n", "[objectives] a: expected a string, found 5"),
    (
        TARGET + '[objectives]\na = "p99 < 5"\n',
        "[objectives] a: expected a bound such as 100ms, 0.1s or 250us, found '5'",
    ),
    (TARGET + "[quantization.a]\nb = [[1]]\n", "[quantization.a] b: expected a string, a number"),
    (TARGET + '[chaos]\nkill = "pkill"\n', "[chaos] kill: expected a list of words"),
    (TARGET + '[chaos]\nkil = ["a"]\n', "[chaos] kil: expected a known name"),
    (TARGET + '[metrics]\nrequests = "a b"\n', "[metrics] requests: expected the name of a metric"),
    (TARGET + '[metrics]\nurl = "http://h:{metrics_port}"\n', "[metrics] url: expected a URL such"),
    (TARGET + '[probes]\nlive = "live"\n', "[probes] live: expected a path such as"),
    ('[target]\nname = "x\n', "line 2, column 10: expected valid TOML, found: "),
    ("[target]\nname = \n", "line 2, column 8: expected valid TOML, found: Invalid value"),
    ("[target", "line 1: expected valid TOML"),
]


@pytest.mark.parametrize(("text", "expected"), MISTAKES)
def test_a_mistake_is_one_line_with_file_key_and_expectation(
    file: Path, text: str, expected: str
) -> None:
    with pytest.raises(ManifestError) as caught:
        loaded(file, text)

    line = str(caught.value)
    assert line.startswith(f"{file}: ")
    assert expected in line
    assert "\n" not in line


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"absent.toml: expected a target file, found No such"):
        load(tmp_path / "absent.toml")

    (tmp_path / "latin.toml").write_bytes(b"# ok\nname = '\xe9'\n")
    with pytest.raises(ManifestError, match=r"latin.toml: line 2: expected UTF-8"):
        load(tmp_path / "latin.toml")


def test_a_url_stands_for_a_file() -> None:
    manifest = Manifest.for_url("http://localhost:8080/", "localhost:8081")

    assert manifest.target.name == "localhost-8080"
    assert (manifest.serves_rest, manifest.serves_grpc) == (True, True)
    assert manifest.start is None


@pytest.mark.parametrize(
    "url", ["localhost:8080", "http://", "http://a b", "http://h:1x", "http://h:{http_port}", None]
)
def test_what_is_no_url_is_refused(url: str | None) -> None:
    with pytest.raises(ManifestError, match=r"command line: .*: expected a URL"):
        Manifest.for_url(url)


def test_https_asks_for_verified_encryption(file: Path) -> None:
    assert Manifest.for_url("http://host").tls() is None
    assert Manifest.for_url("https://host").tls() is not None


def test_every_claimable_profile_may_be_claimed(file: Path) -> None:
    text = TARGET + "".join(f"[claims.{profile}]\n" for profile in CLAIMABLE)

    assert set(loaded(file, text).claims) == set(CLAIMABLE)


SECTIONS = (TargetSection, Start, Ports, Auth, Probes, Metrics, Chaos, FixtureNames)
PAGE = Path(__file__).parents[3] / "docs" / "reference" / "target-file.md"


@pytest.mark.skipif(not PAGE.exists(), reason="the documentation is not part of a wheel")
def test_the_page_documents_every_key_and_its_example_loads(tmp_path: Path) -> None:
    text = PAGE.read_text()
    for name in ("requirements.txt", "ca.pem", "client.pem", "client.key"):
        (tmp_path / name).touch()
    keys = [field.name for section in SECTIONS for field in fields(section)]

    assert [name for name in (*keys, *CLAIMABLE) if f"`{name}`" not in text] == []
    assert loaded(tmp_path / "target.toml", text.split("```toml\n")[1].split("```")[0])
