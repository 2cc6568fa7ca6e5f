"""A mistake on the command line is one line that says what was expected, and exit code 2."""

import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from .judging import SECONDS, SERVER, TARGET, Workplace


def servespec(*words: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Runs the command line to its end."""
    command = [sys.executable, "-m", "servespec", *words]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
    )


MISTAKES = {
    "certify --target none.toml": "none.toml: expected a target file",
    "certify --target bad.toml": "bad.toml: [target] name: expected",
    "certify": "certify: expected --target FILE",
    "conformance": "expected --target FILE, --target-url URL or --target-grpc",
    "conformance --target-url nowhere": "REST: expected a URL",
    "conformance --target-url http://127.0.0.1:1 --profile nope": "--profile nope: expected one of",
    "certify --target target.toml --baseline bad.toml": "bad.toml: target: expected only tables",
    "load": "expected --target FILE, --target-url URL or --target-grpc",
    "load --target none.toml": "none.toml: expected a target file",
    "load --target-url http://127.0.0.1:1": "nothing listens at http://127.0.0.1:1",
    "load --target-url http://127.0.0.1:1 --plane grpc": "expected a gRPC address, found none",
    "load --target-url http://127.0.0.1:1 --slo p99": "objective 'p99': expected a measure",
    "load --target-url http://127.0.0.1:1 --arrivals tidal": "arrivals: expected one of",
    "load --target-url http://127.0.0.1:1 --profile nope": "--profile nope: expected one of smoke",
    "load --target-url http://127.0.0.1:1 --workload nope": "--workload: invalid choice: 'nope'",
    "load --target-url http://127.0.0.1:1 --rate many": "--rate: invalid float value: 'many'",
    "load --target-url http://127.0.0.1:1 --processes 0": "--processes: expected a number from 1",
    "load --target-url http://127.0.0.1:1 --budget engine<1s": "expected one of lag, network",
    "capacity --slo p99<1s": "the following arguments are required: --target-url",
    "capacity --target-url http://127.0.0.1:1 --slo p99": "objective 'p99': expected a measure",
    "capacity --target-url http://127.0.0.1:1 --slo p99<1s": "expected right answers, found",
    "regression --new http://127.0.0.1:1": "expected --old or --baseline to compare with",
    "regression --new http://127.0.0.1:1 --baseline none.json": "expected a stored baseline",
    "regression --new http://127.0.0.1:1 --old http://127.0.0.1:1 --rounds 3": "--rounds: expected",
    "alert": "the following arguments are required: --target",
    "alert --target none.toml": "none.toml: expected a target file",
    "requirements --profile nope": "--profile nope: expected one of",
    "explain NOPE-1": "no requirement is called 'NOPE-1'",
    "checklist --target target.toml": "no report yet",
    "checklist --target none.toml": "none.toml: expected a target file",
    "init http://127.0.0.1:1 --output new.toml": "http://127.0.0.1:1",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_2(words: str, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[target]\nname = 3\n")
    (tmp_path / "target.toml").write_text(TARGET.format(flag=""))

    done = servespec(*words.split(), folder=tmp_path)

    assert done.returncode == 2
    assert MISTAKES[words] in done.stderr
    assert len((done.stdout + done.stderr).strip().splitlines()) == 1


def test_a_url_where_nothing_listens_cannot_be_judged(tmp_path: Path) -> None:
    done = servespec("conformance", "--target-url", "http://127.0.0.1:1", folder=tmp_path)

    assert done.returncode == 3
    assert "cannot be judged: nothing listens at http://127.0.0.1:1" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_an_https_url_of_a_server_without_tls_cannot_be_judged(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"https://127.0.0.1:{server.server_port}"
        done = servespec("conformance", "--target-url", url, folder=tmp_path)
        server.shutdown()

    assert done.returncode == 3
    assert f"cannot be judged: {url}: expected TLS" in done.stdout


def test_a_requirement_is_explained_by_its_sentence_and_its_check(tmp_path: Path) -> None:
    done = servespec("explain", "OIP-REST-INFER-002", folder=tmp_path)

    assert done.returncode == 0
    assert "A request id is returned unchanged in the response." in done.stdout
    assert "def test_" in done.stdout


def test_the_requirements_of_a_profile_are_listed(tmp_path: Path) -> None:
    done = servespec("requirements", "--profile", "grpc-health", folder=tmp_path)

    assert done.returncode == 0
    assert all(line.startswith("HLTH-GRPC-") for line in done.stdout.splitlines())


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = [sys.executable, "-m", "servespec", "requirements"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""

    assert process.returncode == 128 + signal.SIGPIPE


def test_a_terminated_certification_leaves_no_process(tmp_path: Path) -> None:
    workplace = Workplace(tmp_path)
    (tmp_path / "server.py").write_text(SERVER.replace('"/v2/health/ready"', '"/never"'))
    (tmp_path / "target.toml").write_text(TARGET.format(flag=""))
    command = [sys.executable, "-m", "servespec", "certify", "--target", "target.toml"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "judging stand-in" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        process.wait(SECONDS)

    assert process.returncode == 128 + signal.SIGTERM
    assert workplace.left() == []


def test_the_users_settings_of_pytest_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    environment = {**os.environ, "PYTEST_ADDOPTS": ""}
    command = [sys.executable, "-m", "servespec", "conformance", "--target-url", "http://[::1]:1"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, timeout=SECONDS, check=False
    )

    assert done.returncode == 3
