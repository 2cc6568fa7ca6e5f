"""Become `tritonserver`, from the wheel nvidia-pytriton, with a repository of ONNX models.

The wheel has only Triton's Python backend: a copy of the repository, made of links in a folder
beside it, names that backend and puts model.py beside each model.onnx.
"""

import os
import shutil
import sys
import sysconfig
from importlib.metadata import distribution
from pathlib import Path

MODEL = Path(__file__).resolve().with_name("model.py")
UNKNOWN_TO_NUMPY = "TYPE_BF16"
"""Tensors of this datatype the Python backend hands over by DLPack only."""

SHARED_MEMORY = Path("/dev/shm")
REGION = "servespec-triton-"
"""What the names of Triton's regions of shared memory begin with; then comes its process id."""


def repository(models: Path, folder: Path) -> None:
    """Copy the models that the Python backend can host."""
    for config in sorted(models.glob("*/config.pbtxt")):
        text = config.read_text()
        if UNKNOWN_TO_NUMPY in text:
            sys.stdout.write(f"not hosted: {config.parent.name}: numpy has no {UNKNOWN_TO_NUMPY}\n")
            continue
        copy = folder / config.parent.name
        for file in config.parent.rglob("*"):
            link(file, copy / file.relative_to(config.parent))
        (copy / "config.pbtxt").unlink()
        python = text.replace('platform: "onnxruntime_onnx"', 'backend: "python"')
        (copy / "config.pbtxt").write_text(python)
        for version in copy.glob("*/"):
            link(MODEL, version / "model.py")


def backends(wheel: Path, folder: Path) -> None:
    """Put the backend's stub for this Python beside the backend, where Triton looks for it."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = wheel / "python_backend_stubs" / version / "triton_python_backend_stub"
    for file in (*(wheel / "backends" / "python").iterdir(), stub):
        link(file, folder / "python" / file.name)


def sweep() -> None:
    """Remove the shared memory of servers that were killed, and could not do it themselves."""
    for region in SHARED_MEMORY.glob(f"{REGION}*"):
        pid = region.name.removeprefix(REGION).partition("-")[0]
        if not Path("/proc", pid).exists():
            region.unlink(missing_ok=True)


def link(source: Path, place: Path) -> None:
    """Link a file, making the folders above it; a folder is left to its files."""
    if source.is_file():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(source)


def environment(libraries: Path) -> dict[str, str]:
    """Return the variables by which Triton finds its libraries, and its stub this Python."""
    paths = (str(libraries), sysconfig.get_config_var("LIBDIR"), os.environ.get("LD_LIBRARY_PATH"))
    return os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "LD_LIBRARY_PATH": os.pathsep.join(filter(None, paths)),
    }


def main() -> None:
    """Prepare the folder and become Triton, so that signals reach it and no wrapper."""
    models, options = Path(sys.argv[1]).resolve(), sys.argv[2:]
    packages = Path(distribution("nvidia-pytriton").locate_file(""))
    wheel = packages / "pytriton" / "tritonserver"
    scratch = models.parent / f"triton-{os.getpid()}"
    shutil.rmtree(scratch, ignore_errors=True)  # another process's of the same number
    repository(models, scratch / "models")
    backends(wheel, scratch / "backends")
    sweep()
    places = [
        f"--model-repository={scratch / 'models'}",
        f"--backend-directory={scratch / 'backends'}",
        f"--cache-directory={wheel / 'caches'}",
        f"--backend-config=python,shm-region-prefix-name={REGION}{os.getpid()}-",
    ]
    binary = str(wheel / "bin" / "tritonserver")
    sys.stdout.flush()
    os.execve(binary, [binary, *places, *options], environment(packages / "nvidia_pytriton.libs"))


if __name__ == "__main__":
    main()
