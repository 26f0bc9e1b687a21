"""Waiting for numbers that grow."""

import asyncio
from collections.abc import Collection

from service.domain.errors import DatabaseUnavailable
from service.store import tails
from service.store.tails import Tails
from tests.until import until


class Numbers:
    """What is looked at; a look takes as long as the test wants."""

    def __init__(self) -> None:
        self.now = {"a": 1}
        self.looks: list[list[str]] = []
        self.fails: Exception | None = None
        self.free = asyncio.Event()
        self.free.set()

    async def look(self, keys: Collection[str]) -> dict[str, int]:
        self.looks.append(sorted(keys))
        seen = dict(self.now)
        await self.free.wait()
        if self.fails:
            raise self.fails
        return seen


async def test_a_look_that_began_before_somebody_joined_tells_them_nothing() -> None:
    numbers = Numbers()
    waits: Tails[str] = Tails(numbers.look)
    numbers.free.clear()
    first = asyncio.create_task(waits.other_than("a", 1))
    await until(lambda: numbers.looks)
    numbers.now["a"] = 5  # which who joins now has read already
    second = asyncio.create_task(waits.other_than("a", 5))
    await asyncio.sleep(0)
    numbers.free.set()

    assert await asyncio.wait_for(first, 5) == 5
    assert not second.done()
    numbers.now["a"] = 6
    assert await asyncio.wait_for(second, 5) == 6


async def test_one_look_is_for_all_and_none_for_nobody() -> None:
    numbers = Numbers()
    waits: Tails[str] = Tails(numbers.look)
    waiting = [asyncio.create_task(waits.other_than(key, 1)) for key in ("a", "b", "a")]
    assert await asyncio.wait_for(waiting[1], 5) == 0  # of a key that has no number
    assert numbers.looks[0] == ["a", "b"]
    waiting[0].cancel()
    numbers.now["a"] = 2
    assert await asyncio.wait_for(waiting[2], 5) == 2
    await until(lambda: waits._polling is None)
    seen = len(numbers.looks)
    await asyncio.sleep(3 * tails.POLL_S)
    assert len(numbers.looks) == seen


async def test_who_waits_outlasts_an_outage() -> None:
    numbers = Numbers()
    tails_, pause_s = Tails(numbers.look), tails.TROUBLE_POLL_S
    told: list[str] = []
    tails_.on_trouble = lambda cause: told.append(type(cause).__name__)
    tails.TROUBLE_POLL_S = 0.01
    try:
        numbers.fails = DatabaseUnavailable()
        waiting = asyncio.create_task(tails_.other_than("a", 0))
        await until(lambda: len(numbers.looks) > 2)
        numbers.fails = RuntimeError("a bug")
        await until(lambda: len(numbers.looks) > 5)
        numbers.fails = None
        assert await asyncio.wait_for(waiting, 5) == 1
        assert told == ["DatabaseUnavailable", "RuntimeError", "NoneType"]
    finally:
        tails.TROUBLE_POLL_S = pause_s
