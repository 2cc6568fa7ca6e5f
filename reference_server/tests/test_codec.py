"""The thread that reads what is large."""

import asyncio
from threading import Event

import pytest

from ..codec import LARGE, Codec
from ..errors import Overloaded

SECONDS = 5.0


def test_more_than_may_wait_to_be_read_is_refused_at_once_but_for_a_single_request() -> None:
    may_end = Event()

    async def ask() -> list[object]:
        codec = Codec(limit=LARGE)
        codec.start()
        first = asyncio.create_task(codec.read(2 * LARGE, lambda: may_end.wait(SECONDS)))
        await asyncio.sleep(0)  # it waits
        with pytest.raises(Overloaded):
            await codec.read(LARGE, object)
        small = await codec.read(LARGE - 1, lambda: "small")
        may_end.set()
        return [small, await first, await codec.read(2 * LARGE, lambda: "next")]

    assert asyncio.run(asyncio.wait_for(ask(), SECONDS)) == ["small", True, "next"]
