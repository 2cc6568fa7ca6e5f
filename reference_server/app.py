"""The wiring, to be read from top to bottom."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grpc.aio import Server

from servespec.wire.messages import ServerMetadata

from .admin import Admin, Kept
from .cache import MemoryStore, Store
from .calls import Calls
from .codec import Codec
from .doors import Behaviour, Doors
from .errors import StartupError
from .exposition import Exposition
from .grpc import GrpcDoor, new_server
from .grpc_limits import GrpcLimits
from .health import Health
from .http import HttpLimits, HttpProtocol, HttpServer, Observer
from .lifecycle import Lifecycle
from .loading import Loader
from .metrics import Metrics
from .mirroring import Mirror
from .model_control import Loaded, ModelControl
from .overview import overview
from .polling import Follower
from .probe_door import without_models
from .probes import Heartbeat, Probes
from .records import Records
from .redis_cache import open_redis
from .repository import Repository, find_models
from .repository_api import EXTENSION, RepositoryApi
from .rest import RestDoor
from .reusing import Reusing
from .room import Room
from .routing import Router
from .runtime import bound_memory, usable_providers
from .service import Service
from .settings import Settings
from .signals import Signals
from .state_file import StateFile, hold
from .thread_server import ThreadServer

if TYPE_CHECKING:
    from .defects import DefectSwitch

__all__ = ["serve"]

_METADATA = ServerMetadata(
    "servespec-reference-server",
    metadata.version("servespec"),
    ("binary_tensor_data", "schedule_policy"),
)


async def serve(settings: Settings, signals: Signals) -> int:
    """Serve until SIGTERM or SIGINT, then finish the work in flight; return the exit code.

    Raises:
        StartupError: there is no model, a port is taken, or a provider that was insisted on is not
            to be had.
    """
    repository = find_models(settings.models)
    lifecycle = Lifecycle(settings.drain_delay_seconds, settings.grace_seconds)
    probes = Probes(lifecycle, repository.health, Heartbeat(), settings.stuck_seconds)
    metrics = Metrics(repository)
    router, mirror = _routing(settings, repository, metrics)
    codec = Codec()
    codec.start()
    switch = _switch(settings, lifecycle, probes, router, mirror)
    store = _store(settings, codec, switch)
    loader = _loader(settings, metrics, switch, Reusing(store, codec, metrics.reuses, switch))
    control = _control(settings, repository, loader)
    api = _repository_api(settings, control)
    service = Service(_metadata(settings), router, mirror, probes)
    scrape = Exposition(metrics, repository).answer
    rest = RestDoor(service, metrics, scrape, codec, None if api is None else api.rest)
    behaviour = _defective(_behaviour(rest, GrpcDoor(service, codec), api, Health(probes)), switch)
    calls = Calls()
    doors = Doors(
        settings.host,
        settings.grpc_port,
        _http_server(settings, behaviour, rest.observe),
        _grpc_server(settings, behaviour, calls, metrics, codec),
        calls,
        _probe_door(settings, behaviour),
        _admin_door(settings, router, metrics),
        _switch_door(settings, switch),
        repository.close,
    )

    signals.listen(_on_the_loop(lifecycle.signalled))
    beside = [probes.heartbeat.run, *_followers(settings, control)]
    try:
        return await _live(doors, probes, control.start, beside, settings.exit_on_load_failure)
    finally:
        signals.ignore()  # before the loop that hears of them is closed
        mirror.close()
        if store is not None:
            await store.close()


def _routing(settings: Settings, repository: Repository, metrics: Metrics) -> tuple[Router, Mirror]:
    """Return what chooses versions, as it was told before this start, and what asks shadows."""
    kept = None
    if settings.state is not None:
        hold(settings.state)
        kept = _routes_file(settings.state).read()
    mirror = Mirror(repository, metrics.mirrored, _records(settings))
    mirror.start()
    return Router(repository, {} if kept is None else kept.routes), mirror


def _followers(
    settings: Settings, control: ModelControl
) -> list[Callable[[], Coroutine[Any, Any, None]]]:
    """Return what follows the files, where they decide."""
    if settings.model_control != "poll":
        return []
    return [Follower(settings.models, control, settings.poll_seconds).run]


def _behaviour(
    rest: RestDoor, grpc: GrpcDoor, api: RepositoryApi | None, health: Health
) -> Behaviour:
    answers = {**grpc.answers, **({} if api is None else api.answers)}
    return Behaviour(rest, answers, health.check, health.watch, HttpProtocol)


def _grpc_server(
    settings: Settings, behaviour: Behaviour, calls: Calls, metrics: Metrics, codec: Codec
) -> Server:
    return new_server(
        {name: calls.tracked(answer) for name, answer in behaviour.inference.items()},
        calls.tracked(behaviour.check),
        behaviour.watch,
        GrpcLimits(settings.max_connections, settings.max_body_bytes),
        metrics=metrics,
        codec=codec,
        until_end=calls.until_end,
        interceptors=behaviour.interceptors,
    )


def _on_the_loop(listener: Callable[[int], None]) -> Callable[[int], None]:
    """Return what may be called between any two steps of the loop's own work."""
    loop = asyncio.get_running_loop()

    def pass_on(number: int) -> None:
        loop.call_soon_threadsafe(listener, number)

    return pass_on


def _store(settings: Settings, codec: Codec, switch: "DefectSwitch | None") -> Store | None:
    """Return where answers are kept."""
    if settings.redis is not None:
        return open_redis(settings.redis)
    if not settings.cache_bytes:
        return None
    store = MemoryStore(settings.cache_bytes, codec)
    if switch is not None:
        switch.wrap_part(store)
    return store


def _records(settings: Settings) -> Records | None:
    """Return where mirrored requests are recorded; nowhere without a folder of our own."""
    if settings.state is None:
        return None
    return Records(settings.state / "mirrored.jsonl", settings.mirror_bytes)


def _loader(
    settings: Settings, metrics: Metrics, switch: "DefectSwitch | None", reusing: Reusing
) -> Loader:
    strict = settings.strict_providers  # which goes with "cuda" only
    providers = usable_providers(settings.providers, strict=strict)
    if settings.memory_bytes is not None:
        bound_memory(settings.memory_bytes)
    return Loader(
        providers,
        strict,
        settings.intra_op_threads,
        settings.instances,
        settings.stalled_seconds,
        settings.stuck_seconds,
        metrics.executed,
        switch,
        settings.step_threads if settings.python_steps else None,
        reusing,
        settings.max_queue,
        settings.memory_bytes,
        settings.adaptive_limit,
        Room(settings.memory_bytes),
    )


def _control(settings: Settings, repository: Repository, loader: Loader) -> ModelControl:
    state = None
    if settings.state is not None and settings.model_control == "explicit":
        state = StateFile(settings.state / "loaded.json", Loaded)
    return ModelControl(settings.models, repository, loader, state, settings.grace_seconds)


def _repository_api(settings: Settings, control: ModelControl) -> RepositoryApi | None:
    if not settings.repository_api:
        return None
    can_change = settings.model_control == "explicit"
    return RepositoryApi(control, settings.token, can_change=can_change)


def _metadata(settings: Settings) -> ServerMetadata:
    """Say which extensions can be asked."""
    if not settings.repository_api:
        return _METADATA
    return replace(_METADATA, extensions=(*_METADATA.extensions, EXTENSION))


def _switch(
    settings: Settings, lifecycle: Lifecycle, probes: Probes, router: Router, mirror: Mirror
) -> "DefectSwitch | None":
    """Return the switch for deliberate defects, where somebody asks for it."""
    if settings.defects_port is None and not settings.defects:
        return None
    from .defects import DefectSwitch, UnknownDefect

    switch = DefectSwitch(lifecycle, probes, router, mirror)
    try:
        switch.activate(settings.defects)
    except UnknownDefect as error:
        raise StartupError(f"SERVESPEC_DEFECTS: {error}") from error
    return switch


def _switch_door(settings: Settings, switch: "DefectSwitch | None") -> HttpServer | None:
    if switch is None or settings.defects_port is None:
        return None
    return switch.server(settings.defects_port)


def _defective(behaviour: Behaviour, switch: "DefectSwitch | None") -> Behaviour:
    """Put the deliberate defects around all behaviour."""
    if switch is None:
        return behaviour
    inference = {
        name: switch.wrap_grpc(name, answer) for name, answer in behaviour.inference.items()
    }
    check = switch.wrap_grpc("Check", behaviour.check)
    return replace(
        behaviour,
        rest=switch.wrap_rest(behaviour.rest),
        inference=inference,
        check=check,
        protocol=switch.protocol,
        interceptors=(switch,),
    )


def _routes_file(folder: Path) -> StateFile[Kept]:
    return StateFile(folder / "routes.json", Kept)


def _admin_door(settings: Settings, router: Router, metrics: Metrics) -> ThreadServer | None:
    if settings.admin_port is None or settings.state is None:
        return None
    file = _routes_file(settings.state)
    admin = Admin(settings.token, router, file, overview(router, metrics))
    limits = HttpLimits(max_connections=100, max_body_bytes=2**16)
    return ThreadServer(admin, settings.admin_host, settings.admin_port, limits)


def _probe_door(settings: Settings, behaviour: Behaviour) -> ThreadServer | None:
    if settings.probe_port is None:
        return None
    return ThreadServer(without_models(behaviour.rest), settings.host, settings.probe_port)


def _http_server(settings: Settings, behaviour: Behaviour, observe: Observer) -> HttpServer:
    return HttpServer(
        behaviour.rest,
        HttpLimits(
            max_connections=settings.max_connections, max_body_bytes=settings.max_body_bytes
        ),
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
    doors: Doors,
    probes: Probes,
    load: Callable[[], Coroutine[Any, Any, bool]],
    beside: Sequence[Callable[[], Coroutine[Any, Any, None]]],
    must_load: bool,
) -> int:
    """Go from open doors to closed ones, with what runs beside; return the exit code."""
    running = [asyncio.create_task(each()) for each in beside]
    try:
        _announce(await doors.open())
        return await _serve(asyncio.create_task(load()), probes.lifecycle, must_load)
    finally:
        await probes.lifecycle.end(doors)
        for task in running:
            task.cancel()


async def _serve(loading: "asyncio.Task[bool]", lifecycle: Lifecycle, must_load: bool) -> int:
    """Wait for the initial load, then for the first signal; return the exit code."""
    ended = asyncio.create_task(lifecycle.ended.wait())
    await asyncio.wait({loading, ended}, return_when=asyncio.FIRST_COMPLETED)
    if not loading.done():
        loading.cancel()
    elif await loading or not must_load:
        await lifecycle.loaded()
    else:
        ended.cancel()
        return 1
    await ended
    return lifecycle.exit_code
