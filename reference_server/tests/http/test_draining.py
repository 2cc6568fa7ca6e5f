"""The end of a server: what was begun is answered, and nobody is left without an answer."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import pytest

from ...http import HttpRequest, HttpResponse, error_response
from .serving import GET, PATIENCE, Served, echo, serving
from .test_connection import LARGE, Gate, send_to

FREE = GET.replace(b"/ ", b"/free ")


async def refusing(request: HttpRequest) -> HttpResponse:
    """What a server does with late requests."""
    return error_response(503, "late") if request.late else await echo(request)


async def done(call: Callable[[], None]) -> None:
    """Make the call on the loop: what a client sends after it comes after it."""
    call()


@contextmanager
def draining(served: Served) -> Iterator[Future[None]]:
    """What begins in the block is late; the future is done when all else is answered."""
    served.run(done(served.server.refuse))
    yield asyncio.run_coroutine_threadsafe(served.server.settled(), served.loop)


def test_a_server_that_says_close_serves_new_connections_and_idle_ones() -> None:
    with serving() as served, served.connect() as idle:
        idle.send(GET).answer()
        served.run(done(served.server.say_close))
        for answer in (served.ask(GET), idle.send(GET).answer()):
            assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert idle.rest() == b""


def test_late_requests_are_known_for_it_and_those_begun_before_are_not() -> None:
    with serving(refusing) as served, served.connect() as idle, served.connect() as begun:
        idle.send(GET).answer()
        begun.send(GET[:20])
        served.run(asyncio.sleep(0.01))
        with draining(served) as settled:
            assert idle.send(GET).answer().status == served.ask(GET).status == 503
            assert not settled.done()
            assert begun.send(GET[20:]).answer().status == 200
            settled.result(PATIENCE)


def test_a_drain_finishes_what_was_begun_and_says_close() -> None:
    gate = Gate()
    with serving(gate) as served, served.connect() as client:
        send_to(gate, client)
        with draining(served) as settled:
            assert served.ask(FREE).headers["connection"] == "close"
            assert not settled.done()
            served.loop.call_soon_threadsafe(gate.open.set)
            assert client.answer().headers["connection"] == "close"
            settled.result(PATIENCE)


def test_a_drain_waits_for_an_answer_that_is_being_read() -> None:
    async def large(request: HttpRequest) -> HttpResponse:
        return HttpResponse(200, LARGE)

    with serving(large) as served, served.connect() as client:
        head = client.send(GET).head()
        with draining(served) as settled:
            served.run(asyncio.sleep(0.05))
            assert not settled.done()
            assert len(client.read(int(head.headers["content-length"]))) == len(LARGE)
            settled.result(PATIENCE)


def test_neither_idle_connections_nor_late_requests_hold_a_drain() -> None:
    gate = Gate()
    with serving(gate) as served, served.connect() as fresh, served.connect() as late:
        with draining(served) as settled:
            settled.result(PATIENCE)
            send_to(gate, late)
            served.run(served.server.settled())
            served.run(served.server.abandon())
        assert late.answer().status == 503
        served.run(served.server.close())
        assert fresh.rest() == b""


def test_what_is_abandoned_is_answered_with_503() -> None:
    gate = Gate()
    with serving(gate) as served, served.connect() as client, served.connect() as half_sent:
        send_to(gate, client)
        client.send(FREE)  # waits behind it
        half_sent.send(GET[:20])
        served.run(asyncio.sleep(0.01))
        served.run(served.server.abandon())
        answers = (client.answer(), client.answer(), half_sent.answer())
        assert [answer.status for answer in answers] == [503] * 3
        assert all("error" in answer.json for answer in answers)
        assert half_sent.rest() == client.rest() == b""


def test_nobody_can_connect_after_the_close() -> None:
    with serving() as served:
        served.run(served.server.close())
        with pytest.raises(ConnectionRefusedError):
            served.connect()
