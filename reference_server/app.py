"""The wiring, to be read from top to bottom."""

import asyncio
import signal
import sys
from collections.abc import Mapping
from importlib import metadata

from servespec.wire.messages import ServerMetadata

from .doors import Behaviour, Doors
from .exposition import Exposition
from .grpc import GrpcDoor, new_server
from .health import Health
from .http import HttpLimits, HttpProtocol, HttpServer, Observer
from .lifecycle import Lifecycle, Phase
from .loading import Loader
from .metrics import Metrics
from .repository import find_models
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


async def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT, then finish the work in flight; return the exit code.

    Raises:
        StartupError: there is no model, a port is taken, or a provider that was insisted on is not
            to be had.
    """
    stop = _stop_signal()
    repository = find_models(settings.models)
    loader = _loader(settings)
    lifecycle = Lifecycle()
    health = Health(lifecycle)
    service = Service(_METADATA, repository, lifecycle)
    metrics = Metrics(repository)
    exposition = Exposition(metrics, repository)
    rest = RestDoor(service, metrics, exposition.answer)
    behaviour = Behaviour(rest, GrpcDoor(service).answers, health.check, HttpProtocol)
    switch = None
    if settings.defects_port is not None:
        behaviour, switch = _defective(behaviour, settings.defects_port)
    doors = Doors(
        settings.host,
        settings.grpc_port,
        _http_server(settings, behaviour, rest.observe),
        new_server(
            behaviour.inference,
            behaviour.check,
            health.watch,
            settings.max_body_bytes,
            metrics=metrics,
            interceptors=behaviour.interceptors,
        ),
        switch,
    )

    _announce(await doors.open())
    try:
        loading = asyncio.create_task(loader.load(repository))
        return await _live(loading, lifecycle, stop, settings.exit_on_load_failure)
    finally:
        await lifecycle.enter(Phase.STOPPING)
        await doors.close(settings.grace_seconds)
        await asyncio.to_thread(repository.close, _ENGINE_SECONDS)


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def _loader(settings: Settings) -> Loader:
    strict = settings.strict_providers  # which goes with "cuda" only
    providers = usable_providers(settings.providers, strict=strict)
    return Loader(providers, strict, settings.intra_op_threads, settings.instances)


def _defective(behaviour: Behaviour, port: int) -> tuple[Behaviour, HttpServer]:
    """Put the deliberate defects around all behaviour, and a switch for them at a door."""
    from .defects import DefectSwitch

    switch = DefectSwitch()
    inference = {
        name: switch.wrap_grpc(name, answer) for name, answer in behaviour.inference.items()
    }
    check = switch.wrap_grpc("Check", behaviour.check)
    rest = switch.wrap_rest(behaviour.rest)
    return Behaviour(rest, inference, check, switch.protocol, (switch,)), switch.server(port)


def _http_server(settings: Settings, behaviour: Behaviour, observe: Observer) -> HttpServer:
    return HttpServer(
        behaviour.rest,
        HttpLimits(max_body_bytes=settings.max_body_bytes),
        host=settings.host,
        port=settings.http_port,
        protocol=behaviour.protocol,
        observe=observe,
    )


def _announce(addresses: Mapping[str, str]) -> None:
    """Say where the doors are, in one line that a program can read."""
    line = " ".join(f"{door}={address}" for door, address in addresses.items())
    sys.stdout.write(f"servespec reference server: {line}\n")
    sys.stdout.flush()


async def _live(
    loading: "asyncio.Task[bool]", lifecycle: Lifecycle, stop: asyncio.Event, must_load: bool
) -> int:
    """Become ready when all is loaded, wait for the end; return the exit code."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not loading.done():
        loading.cancel()
    elif await loading:
        await lifecycle.enter(Phase.READY)
    elif must_load:
        stopping.cancel()
        return 1
    await stopping
    return 0
