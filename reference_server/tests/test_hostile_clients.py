"""The whole server before clients that mean it no good."""

import resource
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from .serving import SECONDS, serving

FILES = "import resource; from reference_server.descriptors import allow; allow(500);"
FILES += "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
ROOT = Path(__file__).parents[2]


def _files_for_500_connections(soft: int, hard: int) -> int:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    printed = subprocess.run(
        [sys.executable, "-c", FILES], cwd=ROOT, preexec_fn=limited, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, timeout=SECONDS, check=True,
    )  # fmt: skip
    return int(printed.stdout)


def test_as_many_files_may_be_open_as_connections_need() -> None:
    assert _files_for_500_connections(256, 4000) == 500 + 2048


def test_the_system_has_the_last_word_on_open_files() -> None:
    assert _files_for_500_connections(256, 1000) == 1000


def test_probes_are_answered_when_the_main_door_is_full(models: Path) -> None:
    with serving(models, "--max-connections", "3", "--probe-port", "0") as server:
        host, _, port = server.doors["http"].partition(":")
        with ExitStack() as opened:
            for _ in range(10):
                opened.enter_context(socket.create_connection((host, int(port)), SECONDS))
            assert server.rest.get("/v2").status_code == 503
            probes = f"http://{server.doors['probes']}"
            assert server.rest.get(f"{probes}/livez").status_code == 200
