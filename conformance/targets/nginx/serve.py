"""Run a server for each of two versions, and a proxy before them.

`serve.py nginx|envoy MODELS PORT [--mirror]`

Each server has one version of every model and knows of no routes. Without `--mirror` the proxy
gives version 1 three shares and version 2 one; with it version 1 serves all and version 2 is its
shadow.
"""

import contextlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import httpx

from servespec.rollout.routers import EnvoyRouter, NginxRouter
from servespec.target.process import free_port

ROUTERS = {"nginx": NginxRouter, "envoy": EnvoyRouter}
VERSIONS = ("1", "2")
STICKY = "X-Sticky-Key"


def main() -> None:
    """Serve until SIGTERM."""
    kind, models, port = ROUTERS[sys.argv[1]], Path(sys.argv[2]), int(sys.argv[3])
    mirrored = "--mirror" in sys.argv
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(dir=models.parent)))
        upstreams = {}
        for version in VERSIONS:
            port_of_it = free_port()
            command = served(models, folder / version, version, port_of_it)
            process = opened.enter_context(subprocess.Popen(command))
            opened.callback(process.terminate)
            upstreams[version] = [f"127.0.0.1:{port_of_it}"]
        for (address,) in upstreams.values():
            wait_ready(f"http://{address}/v2/health/ready")
        mirror = "2" if mirrored else None
        router = kind(folder, port, upstreams, sticky=STICKY, mirror=mirror)
        opened.enter_context(router)
        router.set({"1": 1} if mirrored else {"1": 3, "2": 1})
        signal.pause()


def wait_ready(url: str) -> None:
    """Return when a server is ready: the proxy knows nothing of that."""
    while True:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url).status_code == 200:
                return
        time.sleep(0.05)


def served(models: Path, folder: Path, version: str, port: int) -> list[str]:
    """The command of a server that has one version of each model, as nobody told it of others."""
    for found in models.glob(f"*/{version}"):
        shutil.copytree(found, folder / found.parent.name / version)
    command = [sys.executable, "-m", "servespec.suites.reference_server", "--models", str(folder)]
    command += ["--http-port", str(port), "--grpc-port", "0", "--drain-delay-seconds", "0"]
    return [*command, "--providers", "cpu"]


if __name__ == "__main__":
    main()
