"""Where a load goes: to a server that runs, or to one that is started for it and then stopped."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servespec.fixtures import build
from servespec.target.given import UsageError, must_listen
from servespec.target.leftovers import current_run
from servespec.target.manifest import Addresses, Manifest
from servespec.target.process import StartError, TargetProcess

__all__ = ["attend", "must_serve", "on_plane", "reached"]

STOP_SECONDS = 15.0
"""In which a child has ended that was told to stop; Locust judges what it has by then."""


def must_serve(manifest: Manifest, plane: str) -> None:
    """See to it that a target has that plane, and that its headers have values.

    Raises:
        UsageError: it has no address there.
        ManifestError: a variable that it names is unset.
    """
    serves = manifest.serves_grpc if plane == "grpc" else manifest.serves_rest
    if not serves:
        wanted = "gRPC" if plane == "grpc" else "REST"
        raise UsageError(f"--plane {plane}: expected a {wanted} address, found none")
    manifest.headers()


def on_plane(addresses: Addresses, plane: str) -> str:
    """The address that a plane's requests go to."""
    return str(addresses.grpc if plane == "grpc" else addresses.rest)


@contextmanager
def reached(manifest: Manifest, log: Path) -> Iterator[Addresses]:
    """Where the target is while the block runs: started for it where the file says how.

    Args:
        manifest: of the target.
        log: gets what a started one prints.

    Raises:
        UsageError: it should be running, and is not.
        StartError: it does not start, or is not ready in time.
        InstallError: the environment that it asks for cannot be made.
    """
    if manifest.start is None:
        try:
            must_listen(manifest)
        except StartError as error:
            raise UsageError(str(error)) from None
        yield manifest.addresses
        return
    with tempfile.TemporaryDirectory(dir=current_run().folder) as scratch:
        models = Path(scratch, "models")
        build(models)
        with TargetProcess.start(manifest, models=models, log=log) as process:
            process.wait_ready()
            yield process.addresses


def attend(child: "subprocess.Popen[bytes]", patience: float | None = None) -> int:
    """Wait for a child in a session of its own; returns its exit code.

    Ctrl-C in a terminal comes to us alone: whoever ends us, the child may end in order first.

    Args:
        child: one that was started in a session of its own.
        patience: seconds, after which it is told to stop.
    """
    try:
        return child.wait(patience)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        child.send_signal(signal.SIGTERM)
        return _ended(child)


def _ended(child: "subprocess.Popen[bytes]") -> int:
    try:
        return child.wait(STOP_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        os.killpg(child.pid, signal.SIGKILL)
        return child.wait(STOP_SECONDS)
