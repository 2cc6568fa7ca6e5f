"""What a server took once, kept to be compared with: histograms, and where they were measured."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from servespec.stats.histogram import Histogram

__all__ = ["Baseline", "BaselineError", "Fingerprint"]


class BaselineError(ValueError):
    """One line that says why a file is no baseline."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What times depend on besides the server: those of another one say nothing about ours.

    Attributes:
        processor: its name.
        cores: that this process may use.
        system: the operating system's kernel.
        versions: of Python and of what sends the requests.
        plan: of the blocks: what was asked, when, and on which plane.
    """

    processor: str
    cores: int
    system: str
    versions: Mapping[str, str]
    plan: str

    @classmethod
    def here(cls, plan: str) -> "Fingerprint":
        """That of this machine."""
        versions = {name: version(name) for name in ("servespec", "gevent", "numpy", "grpcio")}
        return cls(
            processor=_processor(),
            cores=len(os.sched_getaffinity(0)),
            system=f"{platform.system()} {platform.release()}",
            versions={"python": platform.python_version(), **versions},
            plan=plan,
        )

    def differences(self, other: "Fingerprint") -> list[str]:
        """What is not the same there, a phrase each."""
        ours, theirs = asdict(self), asdict(other)
        return [
            f"{name} {theirs[name]}, not {ours[name]}"
            for name in ours
            if ours[name] != theirs[name]
        ]


@dataclass(frozen=True, slots=True)
class Baseline:
    """Blocks of response times, never one number.

    Attributes:
        address: of the server.
        fingerprint: of where and how they were measured.
        blocks: the histogram of each, in the order of time.
    """

    address: str
    fingerprint: Fingerprint
    blocks: Sequence[Histogram]

    @classmethod
    def of(cls, address: str, fingerprint: Fingerprint, blocks: Sequence[np.ndarray]) -> "Baseline":
        """Of blocks of samples, in seconds."""
        histograms = []
        for block in blocks:
            histogram = Histogram()
            histogram.record_many(block)
            histograms.append(histogram)
        return cls(address, fingerprint, histograms)

    def samples(self) -> list[np.ndarray]:
        """The samples of each block, to 0.4 %."""
        return [np.repeat(*histogram.columns()) for histogram in self.blocks]

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        values = {
            "address": self.address,
            "fingerprint": asdict(self.fingerprint),
            "blocks": [histogram.to_dict() for histogram in self.blocks],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "Baseline":
        """Read such a file.

        Raises:
            BaselineError: it is none, or cannot be read.
        """
        try:
            values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            blocks = [Histogram.from_dict(block) for block in values["blocks"]]
            return cls(values["address"], Fingerprint(**values["fingerprint"]), blocks)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BaselineError(
                f"{path}: expected a stored baseline, found {type(error).__name__}: {error}"
            ) from None


def _processor() -> str:
    """As Linux calls it; elsewhere as Python does."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
