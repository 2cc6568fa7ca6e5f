"""The order of the end: what is served, what is refused, and who is left without patience."""

import asyncio
import signal
from dataclasses import dataclass, field

import pytest

from ..lifecycle import Lifecycle, Phase

SECONDS = 5.0
TERM, INT = signal.SIGTERM, signal.SIGINT


@dataclass
class Doors:
    """Doors that write down what they are told, with work in flight until `free`."""

    told: list[str] = field(default_factory=list)
    refused: asyncio.Event = field(default_factory=asyncio.Event)
    free: asyncio.Event = field(default_factory=asyncio.Event)

    def say_close(self) -> None:
        """Hear of the signal."""
        self.told.append("say close")

    async def refuse(self) -> None:
        """Hear of the drain."""
        self.told.append("refuse")
        self.refused.set()

    async def settled(self) -> None:
        """Have work in flight."""
        await self.free.wait()
        self.told.append("settled")

    async def abandon(self) -> None:
        """Hear that patience is over."""
        self.told.append("abandon")

    async def close(self) -> None:
        """Hear of the end."""
        self.told.append("close")


async def begin(
    delay: float = 0.0, grace: float = 60.0
) -> tuple[Lifecycle, Doors, "asyncio.Task[None]"]:
    """Send the first signal to a server that is ready."""
    lifecycle, doors = Lifecycle(delay, grace), Doors()
    await lifecycle.loaded()
    lifecycle.signalled(TERM)
    return lifecycle, doors, asyncio.create_task(lifecycle.end(doors))


async def drained(lifecycle: Lifecycle, doors: Doors, ending: "asyncio.Task[None]") -> list[str]:
    """Finish the work in flight; return what the doors were told."""
    await asyncio.wait_for(doors.refused.wait(), SECONDS)
    doors.free.set()
    await asyncio.wait_for(ending, SECONDS)
    assert lifecycle.phase is Phase.STOPPED
    return doors.told


def test_the_end_is_said_then_work_refused_then_finished() -> None:
    async def lives() -> list[str]:
        return await drained(*await begin())

    assert asyncio.run(lives()) == ["say close", "refuse", "settled", "abandon", "close"]


def test_nothing_is_refused_during_the_delay() -> None:
    async def lives() -> None:
        lifecycle, doors, ending = await begin(delay=0.05)
        await asyncio.sleep(0)
        assert (lifecycle.phase, lifecycle.leaving) == (Phase.DELAYING, True)
        assert doors.told == ["say close"]
        await drained(lifecycle, doors, ending)

    asyncio.run(lives())


def test_a_server_that_still_starts_has_nothing_to_wait_for() -> None:
    async def lives() -> list[str]:
        lifecycle, doors = Lifecycle(delay_seconds=60.0, grace_seconds=90.0), Doors()
        doors.free.set()
        lifecycle.signalled(TERM)
        await asyncio.wait_for(lifecycle.end(doors), SECONDS)
        return doors.told

    assert asyncio.run(lives()) == ["refuse", "settled", "abandon", "close"]


@pytest.mark.parametrize("later", [[TERM, TERM, TERM], [INT]])
def test_further_signals_change_nothing(later: list[signal.Signals]) -> None:
    async def lives() -> list[str]:
        lifecycle, doors, ending = await begin()
        await doors.refused.wait()
        for number in later:
            lifecycle.signalled(number)
        return await drained(lifecycle, doors, ending)

    assert "settled" in asyncio.run(lives())


@pytest.mark.parametrize("delay", [0.0, 30.0])
def test_a_second_sigint_ends_the_delay_and_the_patience(delay: float) -> None:
    async def lives() -> list[str]:
        lifecycle, doors, ending = await begin(delay)
        lifecycle.signalled(INT)
        lifecycle.signalled(INT)
        await asyncio.wait_for(ending, SECONDS)
        return doors.told

    assert asyncio.run(lives()) == ["say close", "refuse", "abandon", "close"]


def test_the_end_of_the_grace_ends_the_patience() -> None:
    async def lives() -> list[str]:
        _, doors, ending = await begin(grace=0.1)
        await asyncio.wait_for(ending, SECONDS)
        return doors.told

    assert asyncio.run(lives()) == ["say close", "refuse", "abandon", "close"]
