"""Batches: who waits together travels together, within bounds, and nobody waits for who hangs."""

import asyncio
from collections.abc import Sequence

import pytest

from webhook_gateway.batching import Batches


class Road:
    """Records the batches that travel; a batch arrives when it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.free = asyncio.Event()
        self.left = asyncio.Event()

    async def send(self, items: Sequence[str]) -> list[str | Exception]:
        self.batches.append(list(items))
        self.left.set()
        await self.free.wait()
        if "broken" in items:
            raise ConnectionError
        return [ValueError(item) if item.startswith("bad") else item.upper() for item in items]

    def batches_of(
        self, *, most: int = 64, most_bytes: int = 1_000, patience_s: float = 60
    ) -> Batches[str, str]:
        """An item has as many bytes as letters."""
        return Batches(
            self.send, bytes_of=len, most=most, most_bytes=most_bytes, patience_s=patience_s
        )


def joining(batches: Batches[str, str], *items: str) -> list[asyncio.Task[str]]:
    return [asyncio.create_task(batches.join(item)) for item in items]


async def test_alone_it_leaves_at_once_and_the_rest_together() -> None:
    road = Road()
    batches = road.batches_of()
    first = joining(batches, "a")
    await road.left.wait()
    rest = joining(batches, "b", "c", "d")
    await asyncio.sleep(0)
    road.free.set()

    assert await asyncio.gather(*first, *rest) == ["A", "B", "C", "D"]
    assert road.batches == [["a"], ["b", "c", "d"]]


async def test_a_batch_has_an_end() -> None:
    road = Road()
    road.free.set()
    await asyncio.gather(*joining(road.batches_of(most=2), *"abcde"))
    assert road.batches == [["a", "b"], ["c", "d"], ["e"]]


async def test_a_batch_has_room_for_so_many_bytes() -> None:
    road = Road()
    road.free.set()
    items = ["four", "five5", "x", "y", "elevenbytes", "z"]
    await asyncio.gather(*joining(road.batches_of(most_bytes=10), *items))
    assert road.batches == [["four", "five5", "x"], ["y"], ["elevenbytes"], ["z"]]


async def test_each_hears_of_itself() -> None:
    road = Road()
    road.free.set()
    told = await asyncio.gather(
        *joining(road.batches_of(), "good", "bad", "fine"), return_exceptions=True
    )
    assert (told[0], told[2]) == ("GOOD", "FINE")
    assert isinstance(told[1], ValueError)


async def test_what_breaks_a_batch_is_told_to_all_of_it_and_the_next_goes_on() -> None:
    road = Road()
    road.free.set()
    batches = road.batches_of(most=2)
    told = await asyncio.gather(*joining(batches, "a", "broken", "c"), return_exceptions=True)
    assert [type(each) for each in told] == [ConnectionError, ConnectionError, str]


async def test_who_leaves_before_boarding_does_not_travel() -> None:
    road = Road()
    batches = road.batches_of()
    (first,) = joining(batches, "a")
    await road.left.wait()
    gone, stays = joining(batches, "b", "c")
    await asyncio.sleep(0)
    gone.cancel()
    first.cancel()  # on the way: it travels, and is not told
    road.free.set()

    assert await stays == "C"
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert road.batches == [["a"], ["c"]]


async def test_one_that_hangs_is_overtaken_and_arrives_all_the_same() -> None:
    road = Road()
    batches = road.batches_of(patience_s=0.01)
    (stuck,) = joining(batches, "a")
    await road.left.wait()
    held, road.free = road.free, asyncio.Event()
    road.free.set()

    async with asyncio.timeout(10):
        assert await asyncio.gather(*joining(batches, "b", "c")) == ["B", "C"]
    assert not stuck.done()
    held.set()
    assert await stuck == "A"


async def test_closing_gives_up_what_is_under_way() -> None:
    road = Road()
    batches = road.batches_of()
    ours = asyncio.all_tasks()
    (waiting,) = joining(batches, "a")
    await road.left.wait()
    assert len(asyncio.all_tasks() - ours) == 3  # who waits, the batch, and who sent it

    await batches.close()

    assert asyncio.all_tasks() - ours == {waiting}
    waiting.cancel()
