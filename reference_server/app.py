"""The wiring, to be read from top to bottom."""

import asyncio
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata

from grpc.aio import Server

from servespec.wire.messages import ServerMetadata

from .errors import StartupError
from .grpc import Answer, GrpcDoor, new_server
from .health import Health
from .http import Handler, HttpLimits, HttpProtocol, HttpServer, ProtocolFactory
from .lifecycle import Lifecycle, Phase
from .loading import Loader
from .repository import Repository, find_models
from .rest import RestDoor
from .runtime import usable_providers
from .service import Service
from .settings import Settings

__all__ = ["serve"]

_METADATA = ServerMetadata(
    "servespec-reference-server", metadata.version("servespec"), ("binary_tensor_data",)
)
_ENGINE_SECONDS = 5.0
"""How long an engine may take to end after its last caller has left."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the server answers at each door."""

    rest: Handler
    inference: Mapping[str, Answer]
    check: Answer
    protocol: ProtocolFactory


async def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT, then finish the work in flight; return the exit code.

    Raises:
        StartupError: there is no model, a port is taken, or a provider that was insisted on is not
            to be had.
    """
    stop = _stop_signal()
    loader = Loader(
        usable_providers(settings.providers, strict=settings.strict_providers),
        settings.strict_providers and settings.providers == "cuda",
        settings.intra_op_threads,
        settings.instances,
    )
    repository = find_models(settings.models)
    lifecycle = Lifecycle()
    health = Health(lifecycle)
    service = Service(_METADATA, repository, lifecycle)
    behaviour = Behaviour(RestDoor(service), GrpcDoor(service).answers, health.check, HttpProtocol)
    switch = None
    if settings.defects_port is not None:
        behaviour, switch = _defective(behaviour, settings.defects_port)

    http = HttpServer(
        behaviour.rest,
        HttpLimits(max_body_bytes=settings.max_body_bytes),
        host=settings.host,
        port=settings.http_port,
        protocol=behaviour.protocol,
    )
    grpc = new_server(behaviour.inference, behaviour.check, health.watch, settings.max_body_bytes)
    doors = {
        "http": await _open_http(http, settings.host),
        "grpc": await _open_grpc(grpc, settings.host, settings.grpc_port),
    }
    if switch is not None:
        doors["defects"] = await _open_http(switch, "127.0.0.1")
    _announce(doors)
    try:
        return await _live(loader, repository, lifecycle, stop, settings.exit_on_load_failure)
    finally:
        await lifecycle.enter(Phase.STOPPING)
        grace = settings.grace_seconds
        await asyncio.gather(http.drain(grace), grpc.stop(grace))
        await asyncio.to_thread(repository.close, _ENGINE_SECONDS)


async def _live(
    loader: Loader,
    repository: Repository,
    lifecycle: Lifecycle,
    stop: asyncio.Event,
    exit_on_load_failure: bool,
) -> int:
    """Load, become ready, wait for the end; return the exit code."""
    loading = asyncio.create_task(loader.load(repository))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not loading.done():
        loading.cancel()
    elif await loading:
        await lifecycle.enter(Phase.READY)
    elif exit_on_load_failure:
        stopping.cancel()
        return 1
    await stopping
    return 0


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def _defective(behaviour: Behaviour, port: int) -> tuple[Behaviour, HttpServer]:
    """Put the deliberate defects around every door, and a switch for them at one of its own."""
    from .defects import DefectSwitch

    switch = DefectSwitch()
    inference = {
        name: switch.wrap_grpc(name, answer) for name, answer in behaviour.inference.items()
    }
    check = switch.wrap_grpc("Check", behaviour.check)
    rest = switch.wrap_rest(behaviour.rest)
    return Behaviour(rest, inference, check, switch.protocol), switch.server(port)


async def _open_http(server: HttpServer, host: str) -> str:
    try:
        await server.start()
    except OSError as error:
        raise StartupError(f"cannot listen on {_address(host, server.port)}: {error}") from error
    return _address(host, server.port)


async def _open_grpc(server: Server, host: str, port: int) -> str:
    try:
        bound = server.add_insecure_port(_address(host, port))
    except RuntimeError as error:
        raise StartupError(
            f"cannot listen on {_address(host, port)}: in use, or not to be had"
        ) from error
    await server.start()
    return _address(host, bound)


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _announce(doors: Mapping[str, str]) -> None:
    """Say where the doors are, in one line that a program can read."""
    line = " ".join(f"{name}={address}" for name, address in doors.items())
    sys.stdout.write(f"servespec reference server: {line}\n")
    sys.stdout.flush()
