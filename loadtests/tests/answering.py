"""A server that a target file starts; it takes its port, and the seconds that an answer takes.

It answers whatever it is asked, and prints the method of each request.
"""

import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

__all__ = ["target_file"]

TARGET = """
[target]
name = "{name}"
rest = "http://127.0.0.1:{{http_port}}"

[start]
command = ["{{python}}", {program!r}, "{{http_port}}", "{seconds}"]
stop_seconds = 5
"""


def target_file(folder: Path, name: str, seconds: float = 0.0) -> Path:
    """Write the target file of such a server."""
    file = folder / f"{name}.toml"
    file.write_text(TARGET.format(name=name, program=__file__, seconds=seconds))
    return file


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        sys.stdout.write(f"{self.command}\n")
        time.sleep(float(sys.argv[2]))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answering).serve_forever()
