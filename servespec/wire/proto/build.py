"""Compiles `inference.proto` to `inference.binpb`: on every build, editable ones included.

By hand: `python servespec/wire/proto/build.py`.
"""

from pathlib import Path
from typing import Any

from grpc_tools import protoc
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

__all__ = ["CustomBuildHook", "compile_descriptors"]

HERE = Path(__file__).resolve().parent


def compile_descriptors(compiled: Path = HERE / "inference.binpb") -> None:
    """Writes the descriptor set.

    Raises:
        RuntimeError: the compiler refused the source; what it said is on stderr.
    """
    command = ["protoc", f"-I{HERE}", f"--descriptor_set_out={compiled}", "inference.proto"]
    if protoc.main(command) != 0:
        raise RuntimeError(f"protoc refused {HERE / 'inference.proto'}")


class CustomBuildHook(BuildHookInterface[Any]):
    """What hatchling runs before it collects the files of a build."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Compiles; the result reaches the wheel as an artifact (see pyproject)."""
        compile_descriptors()


if __name__ == "__main__":
    compile_descriptors()
