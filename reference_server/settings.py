"""What can be set, and the command line that sets it."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from .tokens import VARIABLE

__all__ = ["Settings", "read_settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How the server runs; `docs/reference/server.md` says what each value means."""

    models: Path
    host: str
    http_port: int
    grpc_port: int
    probe_port: int | None
    providers: str
    strict_providers: bool
    intra_op_threads: int
    instances: int
    python_steps: bool
    step_threads: int
    cache_bytes: int
    redis: str | None
    max_queue: int
    adaptive_limit: bool
    memory_bytes: int | None
    max_connections: int
    max_body_bytes: int
    stalled_seconds: float
    stuck_seconds: float
    drain_delay_seconds: float
    grace_seconds: float
    exit_on_load_failure: bool
    repository_api: bool
    model_control: str
    poll_seconds: float
    state: Path | None
    mirror_bytes: int
    admin_host: str
    admin_port: int | None
    defects_port: int | None
    defects: Sequence[str]
    token: str


class _OneLine(argparse.ArgumentParser):
    """A parser whose every complaint is one line."""

    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"{self.prog}: {message}\n")
        sys.exit(2)


def read_settings(arguments: Sequence[str] | None = None) -> Settings:
    """Read the command line; a mistake is one line on stderr and exit code 2."""
    parser = _parser()
    settings = Settings(**vars(parser.parse_args(arguments)), defects=_defects(), token=_token())
    if settings.strict_providers and settings.providers != "cuda":
        parser.error(f"--strict-providers: expected --providers cuda, not {settings.providers}")
    delay, grace = settings.drain_delay_seconds, settings.grace_seconds
    if delay and delay >= grace:
        parser.error(f"--drain-delay-seconds: expected less than --grace-seconds {grace:g}")
    _check_operating(parser, settings)
    return settings


def _check_operating(parser: argparse.ArgumentParser, settings: Settings) -> None:
    admin = settings.admin_port is not None
    for flag, wanted in (("--repository-api", settings.repository_api), ("--admin-port", admin)):
        if wanted and not settings.token:
            parser.error(f"{flag}: expected a token in {VARIABLE}")
    if admin and settings.state is None:
        parser.error("--admin-port: expected --state DIR, to keep what is set")


def _parser() -> argparse.ArgumentParser:
    parser = _OneLine(
        prog="reference_server",
        description="Serve ONNX models over the Open Inference Protocol, REST and gRPC.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    _add_serving(parser.add_argument)
    _add_bounds(parser.add_argument)
    _add_operating(parser.add_argument)
    parser.add_argument("--defects-port", type=_port, default=None, metavar="PORT",
        help="misbehave on request: a loopback switch for deliberate defects")  # fmt: skip
    return parser


def _add_serving(add: Callable[..., object]) -> None:
    """Add what is served, where and how."""
    add("--models", type=_directory, required=True, metavar="DIR",
        help="the models: DIR/<model>/<version>/model.onnx")  # fmt: skip
    add("--host", default="127.0.0.1", help="the address to listen on")
    add("--http-port", type=_port, default=8080, metavar="PORT", help="REST; 0: any free one")
    add("--grpc-port", type=_port, default=8081, metavar="PORT", help="gRPC; 0: any free one")
    add("--probe-port", type=_port, default=None, metavar="PORT",
        help="probes and metrics from a thread of their own; 0: any free one")  # fmt: skip
    add("--providers", choices=("cpu", "cuda", "auto"), default="auto",
        help="where models run; auto: CUDA where onnxruntime can load it")  # fmt: skip
    add("--strict-providers", action="store_true",
        help="only with --providers cuda: exit instead of running a model on the CPU")  # fmt: skip
    add("--intra-op-threads", type=_count, default=1, metavar="N", help="threads of one inference")
    add("--instances", type=_count, default=1, metavar="N", help="inferences at once, by model")
    add("--python-steps", action="store_true",
        help="run the Python files that models name in model.toml")  # fmt: skip
    add("--step-threads", type=_count, default=8, metavar="N",
        help="steps at once, by model")  # fmt: skip
    add("--cache-bytes", type=_bytes, default=64 * 2**20, metavar="N",
        help="of the answers that models keep which cache; 0: none is kept")  # fmt: skip
    add("--redis", default=None, metavar="URL",
        help="keep answers in Redis, redis://HOST:PORT/DB, instead of here")  # fmt: skip


def _add_bounds(add: Callable[..., object]) -> None:
    """Add what nobody may take more of: memory, places and time."""
    add("--max-queue", type=_count, default=1000, metavar="N",
        help="works that wait for a model which does not say; one more is refused")  # fmt: skip
    add("--adaptive-limit", action="store_true",
        help="refuse what a model cannot begin soon, as the times of its works tell")  # fmt: skip
    add("--memory-bytes", type=_bytes_at_all, default=None, metavar="N",
        help="that inferences may take of the CPU's; what wants more is refused")  # fmt: skip
    add("--max-connections", type=_count, default=10_000, metavar="N",
        help="the most connections over HTTP; one more is refused")  # fmt: skip
    add("--max-body-bytes", type=_count, default=64 * 2**20, metavar="N",
        help="the largest request, on either plane")  # fmt: skip
    add("--stalled-seconds", type=_seconds, default=10.0, metavar="S",
        help="how long a batch may run until its model is not ready")  # fmt: skip
    add("--stuck-seconds", type=_seconds, default=30.0, metavar="S",
        help="how long a batch may run, or the event loop be blocked: not live then")  # fmt: skip
    add("--drain-delay-seconds", type=_seconds, default=2.0, metavar="S",
        help="how long new work is still served after SIGTERM")  # fmt: skip
    add("--grace-seconds", type=_seconds, default=20.0, metavar="S",
        help="from SIGTERM to the exit: what takes longer is answered with an error")  # fmt: skip
    add("--exit-on-load-failure", action="store_true",
        help="exit with code 1 when a model fails to load, not just stay unready")  # fmt: skip


def _add_operating(add: Callable[..., object]) -> None:
    """Add what lets an operator change the server while it runs."""
    add("--repository-api", action="store_true",
        help=f"load and unload on request, for who has the token of {VARIABLE}")  # fmt: skip
    add("--model-control", choices=("explicit", "poll"), default="explicit",
        help="what decides about versions after the start: requests, or the files")  # fmt: skip
    add("--poll-seconds", type=_seconds, default=15.0, metavar="S",
        help="between looks at the files, with --model-control poll")  # fmt: skip
    add("--state", type=_directory, default=None, metavar="DIR",
        help="keep what was asked at run time here, for the next start")  # fmt: skip
    add("--admin-host", default="127.0.0.1", metavar="HOST", help="the address for the operator")
    add("--admin-port", type=_port, default=None, metavar="PORT",
        help="which version gets how much, for the same token; 0: any free one")  # fmt: skip
    add("--mirror-bytes", type=_bytes_at_all, default=64 * 2**20, metavar="N",
        help="of what is recorded in DIR of mirrored requests; the oldest go")  # fmt: skip


def _token() -> str:
    """Return the operator's token, empty where there is none."""
    return os.environ.get(VARIABLE, "")


def _defects() -> Sequence[str]:
    """Return the deliberate defects to start with: not for a command line that people copy."""
    names = os.environ.get("SERVESPEC_DEFECTS", "")
    return tuple(name.strip() for name in names.split(",") if name.strip())


def _directory(text: str) -> Path:
    if not os.path.isdir(text):  # pathlib raises for what it may not look at
        raise argparse.ArgumentTypeError(f"expected a directory, not {text!r}")
    if not os.access(text, os.R_OK | os.X_OK):
        raise argparse.ArgumentTypeError(f"expected a directory that can be read, not {text!r}")
    return Path(text)


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) < 2**16):
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, not {text!r}")
    return int(text)


def _number(least: int, most: int) -> Callable[[str], int]:
    """Return what reads a whole number within these bounds."""

    def read(text: str) -> int:
        if not (text.isdecimal() and least <= int(text) <= most):
            expected = f"expected a number from {least} to {most}"
            raise argparse.ArgumentTypeError(f"{expected}, not {text!r}")
        return int(text)

    return read


_count = _number(1, 2**31 - 1)
_bytes = _number(0, 2**48 - 1)
_bytes_at_all = _number(1, 2**48 - 1)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e6:
        raise argparse.ArgumentTypeError(f"expected seconds from 0 to 1000000, not {text!r}")
    return seconds
