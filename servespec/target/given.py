"""What a command line says of the target: a file, addresses beside it, where reports go."""

import argparse
import ssl
from dataclasses import replace
from pathlib import Path

from .manifest import Manifest, load
from .process import StartError
from .readiness import connect

__all__ = ["UsageError", "addresses_of", "must_listen", "running", "source_of", "writable"]


class UsageError(Exception):
    """What the user asked for cannot be: one line that says what was expected. Exit code 2."""


def writable(report_dir: Path, target: str) -> Path:
    """The folder of the reports, where the target's own can be made: known before any check."""
    try:
        (report_dir / target).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"--report-dir {report_dir}: expected a folder to write to, found {error.strerror}"
        ) from None
    return report_dir


def source_of(given: argparse.Namespace) -> Manifest:
    """The target file, or the URL that stands for one."""
    if not given.target:
        return Manifest.for_url(given.target_url, given.target_grpc)
    return load(Path(given.target))


def running(source: Manifest, given: argparse.Namespace) -> Manifest:
    """The target file; a URL beside it means that its server is running already."""
    if not (given.target_url or given.target_grpc):
        return source
    return replace(
        source,
        target=replace(source.target, rest=given.target_url, grpc=given.target_grpc),
        start=None,
        probes=replace(source.probes, url=None),
        metrics=replace(source.metrics, url=None),
    )


def must_listen(manifest: Manifest) -> None:
    """Connect to each address of a server that is running, with TLS where it is spoken.

    Raises:
        StartError: nothing listens there, or nobody to be trusted.
    """
    for address in addresses_of(manifest):
        try:
            connect(address, manifest.tls() if address.startswith("https:") else None)
        except ssl.SSLError as error:
            raise StartError(f"{address}: expected TLS by a server to trust: {error}") from None
        except OSError as error:
            why = error.strerror or error
            raise StartError(f"nothing listens at {address}: {why}") from None


def addresses_of(manifest: Manifest) -> list[str]:
    """Those of a server that is running."""
    return [address for address in (manifest.target.rest, manifest.target.grpc) if address]
