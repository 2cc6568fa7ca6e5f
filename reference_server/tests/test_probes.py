"""Live, ready and started: three answers with three meanings, at a door that nothing blocks."""

import asyncio

import httpx
import pytest

from ..http import HttpRequest, HttpResponse
from ..lifecycle import Lifecycle, Phase
from ..probe_door import without_models
from ..probes import Heartbeat, Probes, probe_answer
from ..repository import State
from ..thread_server import ThreadServer

SECONDS = 5.0
STATES = {("a", "1"): State.READY, ("b", "1"): State.READY}


def probes(
    *phases: Phase, b: State = State.READY, stuck_seconds: float = 30.0
) -> tuple[bool, bool, bool]:
    """Live, ready, started, when it has gone through these phases."""

    async def ask() -> tuple[bool, bool, bool]:
        lifecycle = Lifecycle(0.0, 1.0)
        states = {**STATES, ("b", "1"): b}
        asked = Probes(lifecycle, lambda: states, Heartbeat(), stuck_seconds)
        for phase in phases:
            await (lifecycle.loaded() if phase is Phase.READY else lifecycle.enter(phase))
        return asked.live(), asked.ready(), asked.startup()

    return asyncio.run(ask())


def test_a_server_that_loads_is_live_only() -> None:
    assert probes(b=State.LOADING) == (True, False, False)


def test_a_server_whose_models_work_is_ready() -> None:
    assert probes(Phase.READY) == (True, True, True)


@pytest.mark.parametrize("b", [State.FAILED, State.DOWN, State.STALLED])
def test_a_model_that_cannot_be_asked_makes_it_unready(b: State) -> None:
    assert probes(Phase.READY, b=b) == (True, False, True)


def test_an_engine_that_is_stuck_takes_its_life() -> None:
    assert probes(Phase.READY, b=State.STUCK) == (False, False, True)


@pytest.mark.parametrize("phase", [Phase.DELAYING, Phase.DRAINING, Phase.STOPPED])
def test_a_server_that_leaves_is_live_until_the_end(phase: Phase) -> None:
    assert probes(Phase.READY, phase) == (True, False, True)


def test_the_door_answers_while_the_main_loop_is_blocked_and_says_so() -> None:
    async def blocks() -> None:
        heart = Heartbeat()
        asked = Probes(Lifecycle(0.0, 1.0), dict, heart, stuck_seconds=0.5)

        async def main_door(request: HttpRequest) -> HttpResponse:
            return probe_answer(asked, "live")

        door = ThreadServer(without_models(main_door), "127.0.0.1", 0)
        await door.start()
        with httpx.Client(base_url=f"http://127.0.0.1:{door.port}", timeout=SECONDS) as client:

            def status(path: str = "/livez") -> int:
                return client.get(path).status_code

            assert status("/v2/models/a/ready") == 404
            beating = asyncio.create_task(heart.run())
            while status() == 200:
                pass  # which blocks this loop
            while await asyncio.to_thread(status) == 503:
                pass  # which does not
        beating.cancel()
        await door.close()

    asyncio.run(asyncio.wait_for(blocks(), SECONDS))
