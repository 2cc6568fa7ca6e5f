"""The command line."""

from pathlib import Path

import pytest

from ..settings import read_settings


def test_defaults_need_only_the_models(tmp_path: Path) -> None:
    settings = read_settings(["--models", str(tmp_path)])
    assert (settings.host, settings.http_port, settings.grpc_port) == ("127.0.0.1", 8080, 8081)
    assert (settings.intra_op_threads, settings.instances, settings.defects_port) == (1, 1, None)


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        ("--models /nowhere", "--models: expected a directory, not '/nowhere'"),
        ("--http-port 70000", "--http-port: expected a port from 0 to 65535, not '70000'"),
        ("--grpc-port x", "--grpc-port: expected a port from 0 to 65535, not 'x'"),
        (
            "--cache-bytes -1",
            "--cache-bytes: expected a number from 0 to 281474976710655, not '-1'",
        ),
        (
            "--memory-bytes 0",
            "--memory-bytes: expected a number from 1 to 281474976710655, not '0'",
        ),
        ("--instances 0", "--instances: expected a number from 1 to 2147483647, not '0'"),
        ("--grace-seconds nan", "--grace-seconds: expected seconds from 0 to 1000000, not 'nan'"),
        ("--providers tpu", "--providers: invalid choice: 'tpu'"),
        (
            "--models . --strict-providers",
            "--strict-providers: expected --providers cuda, not auto",
        ),
        (f"--models /{'a' * 300}", "--models: expected a directory"),
        ("--http-port 0", "required: --models"),
        ("--model .", "required: --models"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], flags: str, complaint: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        read_settings(flags.split())
    printed = capsys.readouterr().err
    assert (ended.value.code, printed.count("\n")) == (2, 1)
    assert complaint in printed
