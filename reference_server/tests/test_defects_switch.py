"""Defects are switched on and off over HTTP, while the server runs."""

import asyncio
import json
import signal
from collections.abc import Iterator
from typing import Any, cast

import pytest
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import StringValue

from ..defects import Behaviour, Context, Defect, DefectSwitch, known_defects
from ..defects.registry import http_defect
from ..http import Handler, HttpProtocol, HttpRequest, HttpResponse
from ..lifecycle import Lifecycle
from ..probes import Heartbeat, Probes
from .http.serving import GET, Answer, Served, echo, serving


async def shouting(request: HttpRequest, answer: Handler) -> HttpResponse:
    response = await answer(request)
    return HttpResponse(response.status, response.body.upper(), response.headers)


class Impatient(Lifecycle):
    """Finishes nothing."""

    def patience(self) -> float:
        """Has none."""
        return 0.0


class AlwaysReady(Probes):
    """Is ready whatever happens."""

    def ready(self) -> bool:
        """Says so."""
        return True


async def renaming(method: str, request: Message, context: Context, answer: Behaviour) -> Message:
    response = cast(StringValue, await answer(request, context))
    return StringValue(value=f"{method}: {response.value}")


@pytest.fixture(autouse=True)
def defects(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few defects more than there are."""
    registry = cast(dict[str, Any], known_defects())
    monkeypatch.setitem(registry, "shouts", Defect("shouts", ("X-1",), rest=shouting))
    monkeypatch.setitem(registry, "impatient", Defect("impatient", (), lifecycle=Impatient))
    monkeypatch.setitem(registry, "always-ready", Defect("always-ready", (), probes=AlwaysReady))
    monkeypatch.setitem(registry, "renames", Defect("renames", ("X-2",), grpc=renaming))


@pytest.fixture
def switch() -> DefectSwitch:
    """All off."""
    return DefectSwitch()


@pytest.fixture
def door(switch: DefectSwitch) -> Iterator[Served]:
    """Where defects are switched."""
    with serving(switch.answer) as served:
        yield served


@pytest.fixture
def judged(switch: DefectSwitch) -> Iterator[Served]:
    """The echo, as the active defects have it."""
    with serving(switch.wrap_rest(echo), protocol=switch.protocol) as served:
        yield served


def put(door: Served, body: object) -> Answer:
    """Switch these on."""
    data = json.dumps(body).encode()
    head = f"PUT /defects HTTP/1.1\r\nHost: a\r\nContent-Length: {len(data)}\r\n\r\n"
    return door.ask(head.encode() + data)


def test_get_lists_every_defect_and_what_it_breaks(door: Served) -> None:
    listing = door.ask(GET.replace(b"/", b"/defects", 1)).json
    assert listing["no-date"] == {"breaks": ["HTTP-014"], "active": False}
    assert listing.keys() == known_defects().keys()


def test_a_rest_defect_is_there_from_the_next_request_until_it_is_switched_off(
    door: Served, judged: Served
) -> None:
    with judged.connect() as client:
        assert b'"METHOD"' not in client.send(GET).answer().body
        assert put(door, ["shouts"]).json["shouts"]["active"]
        assert b'"METHOD"' in client.send(GET).answer().body
        put(door, [])
        assert b'"METHOD"' not in client.send(GET).answer().body


def test_an_http_defect_is_there_from_the_next_connection(door: Served, judged: Served) -> None:
    assert "date" in judged.ask(GET).headers
    put(door, ["no-date"])
    assert "date" not in judged.ask(GET).headers
    put(door, [])
    assert "date" in judged.ask(GET).headers


def test_an_http_defect_ends_the_idle_connections_before_it_is_confirmed(
    judged: Served, switch: DefectSwitch
) -> None:
    async def in_one_loop() -> HttpResponse:
        body = b'["no-date"]'
        return await switch.answer(HttpRequest("PUT", "/defects", {}, body))

    with judged.connect() as client:
        client.send(GET).answer()
        assert judged.run(in_one_loop()).status == 200
        client.socket.setblocking(False)
        assert client.socket.recv(1) == b""


def test_an_http_defect_ends_a_connection_behind_the_answer_that_is_due(
    switch: DefectSwitch,
) -> None:
    async def switching(request: HttpRequest) -> HttpResponse:
        switch.activate(["no-date"])
        return await echo(request)

    with serving(switching, protocol=switch.protocol) as served, served.connect() as client:
        assert client.send(GET).answer().headers["connection"] == "close"
        assert client.rest() == b""


def test_a_grpc_defect_wraps_each_method(door: Served, switch: DefectSwitch) -> None:
    async def sound(request: Message, context: Context) -> Message:
        return request

    async def call() -> Message:
        return await method(question, cast(Context, None))

    method = switch.wrap_grpc("ServerLive", sound)
    question = StringValue(value="a")
    assert asyncio.run(call()) == question
    put(door, ["renames"])
    assert asyncio.run(call()) == StringValue(value="ServerLive: a")


def test_several_defects_work_together(door: Served, judged: Served) -> None:
    put(door, ["no-date", "shouts", "field-names-by-case"])
    answer = judged.ask(GET)
    assert "date" not in answer.headers
    assert b'"METHOD"' in answer.body


def test_an_unknown_name_is_refused_and_changes_nothing(door: Served, judged: Served) -> None:
    put(door, ["shouts"])
    answer = put(door, ["no-date", "no-such-defect"])
    assert answer.status == 400
    assert "no-such-defect" in answer.json["error"]
    assert b'"METHOD"' in judged.ask(GET).body
    assert "date" in judged.ask(GET).headers


@pytest.mark.parametrize("body", [{}, "no-date", [1], None])
def test_what_is_no_list_of_names_is_400(door: Served, body: object) -> None:
    assert put(door, body).status == 400


@pytest.mark.parametrize(("line", "status"), [(b"GET /", 404), (b"POST /defects", 405)])
def test_the_switch_has_one_route(door: Served, line: bytes, status: int) -> None:
    assert door.ask(line + b" HTTP/1.1\r\nHost: a\r\n\r\n").status == status


def test_a_defect_of_life_and_one_of_probes_change_their_class_and_keep_their_state() -> None:
    async def lives() -> None:
        lifecycle = Lifecycle(delay_seconds=30.0, grace_seconds=60.0)
        probes = Probes(lifecycle, dict, Heartbeat(), stuck_seconds=30.0)
        switch = DefectSwitch(lifecycle, probes)
        lifecycle.signalled(signal.SIGTERM)
        switch.activate(["always-ready", "impatient"])
        assert (probes.ready(), lifecycle.patience()) == (True, 0.0)
        switch.activate([])
        assert not probes.ready()
        assert lifecycle.patience() > 0.0

    asyncio.run(lives())


def test_a_name_is_given_once() -> None:
    with pytest.raises(ValueError, match="no-date"):
        http_defect("no-date", breaks=[])(HttpProtocol)
