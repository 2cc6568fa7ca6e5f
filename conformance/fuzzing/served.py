"""The server that is fuzzed: started as a user would, and asked in between whether all is well."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servespec.fixtures import build
from servespec.target.leftovers import current_run
from servespec.target.manifest import load
from servespec.target.process import TargetProcess
from servespec.target.procfs import resident_bytes
from servespec.target.target import Target

from ..strategies import SCALAR, request

__all__ = ["MODELS", "SECONDS", "Served", "serving"]

MODELS = (
    *("identity_fp32", "identity_int64", "identity_bytes", "identity_bool", "identity_uint8"),
    *("identity_fp16", "identity_bf16", "identity_fp32_rank3", "add_sub", "row_sum", "witness"),
    *("constant", "nonfinite", "digits_fp32", "cached"),
)
"""Fixtures whose cost is that of the request: none that a number makes slow, huge or fail."""
SECONDS = 10.0
"""In which every answer has to be complete."""
_GROWTH, _SLACK = 1.25, 64 << 20
"""How much memory may be left at the end, over that after the first round of each part."""


class Served:
    """A running server.

    Attributes:
        target: to ask it.
        warm: its memory when it had seen something of everything; 0 until then.
        peak: the most memory that was seen.
    """

    def __init__(self, process: TargetProcess, target: Target) -> None:
        self._process = process
        self.target = target
        self.warm = self.peak = 0

    @property
    def memory(self) -> int:
        """Bytes that its processes hold in RAM."""
        now = sum(resident_bytes(process.pid) for process in self._process.processes())
        self.peak = max(self.peak, now)
        return now

    def must_be_well(self) -> None:
        """FAIL unless it lives, answers rightly on both planes, and holds a bounded memory."""
        assert self._process.alive() is None, f"the server died: {self._process.alive()}"
        values = self.target.rest.infer("identity_fp32", request(SCALAR)).must_succeed().values("y")
        assert values == [1.0], f"1.0 came back as {values}"
        self.target.grpc.health_check().must_succeed()
        memory = self.memory
        if self.warm:
            most = self.warm * _GROWTH + _SLACK
            assert memory <= most, f"the memory grew from {self.warm:,} to {memory:,} bytes"


@contextmanager
def serving(target_file: Path) -> Iterator[Served]:
    """Start the server of a target file on free ports; nothing of it is left."""
    with tempfile.TemporaryDirectory(dir=current_run().folder) as folder:
        build(Path(folder, "models"), MODELS)
        log = Path(folder, "server.log")
        process = TargetProcess.start(
            load(target_file), models=Path(folder, "models"), log=log, title="# fuzzed"
        )
        with process:
            process.wait_ready()
            target = Target.at(process.addresses.rest, process.addresses.grpc)
            try:
                yield Served(process, target)
            finally:
                target.close()
