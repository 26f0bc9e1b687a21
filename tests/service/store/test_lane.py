"""A lane: who waits together travels together, and who touches the same does not."""

import asyncio
from collections.abc import Sequence

import pytest

from service.store.lane import Lane
from service.store.tracing import COMMITS


class Road:
    """Records the batches that travel; a batch leaves the road when it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.free = asyncio.Event()

    async def run(self, items: Sequence[str]) -> list[str | Exception]:
        self.batches.append(list(items))
        await self.free.wait()
        return [ValueError(item) if item.startswith("bad") else item.upper() for item in items]

    def lane(self, most: int = 64) -> Lane[str, str]:
        return Lane(self.run, batches=COMMITS, keys_of=lambda item: {item[-1]}, most=most)


async def test_alone_it_leaves_at_once_and_the_rest_together() -> None:
    road = Road()
    lane = road.lane()
    travelers = [asyncio.create_task(lane.join(item)) for item in ("a1", "a2", "a3")]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    late = asyncio.create_task(lane.join("a4"))
    road.free.set()

    assert await asyncio.gather(*travelers, late) == ["A1", "A2", "A3", "A4"]
    assert road.batches == [["a1", "a2", "a3"], ["a4"]]


async def test_who_touches_the_same_travels_later_and_in_order() -> None:
    road = Road()
    road.free.set()
    lane = road.lane()

    await asyncio.gather(*map(lane.join, ["x1", "y1", "z2", "w1"]))

    assert road.batches == [["x1", "z2"], ["y1"], ["w1"]]


async def test_a_batch_has_an_end() -> None:
    road = Road()
    road.free.set()
    lane = road.lane(most=2)

    await asyncio.gather(*map(lane.join, "abcde"))

    assert road.batches == [["a", "b"], ["c", "d"], ["e"]]


async def test_each_hears_of_itself() -> None:
    road = Road()
    road.free.set()

    told = await asyncio.gather(
        *map(road.lane().join, ["good1", "bad2", "good3"]), return_exceptions=True
    )

    assert told[0] == "GOOD1"
    assert isinstance(told[1], ValueError)
    assert told[2] == "GOOD3"


async def test_who_leaves_before_boarding_does_not_travel() -> None:
    road = Road()
    lane = road.lane()
    first = asyncio.create_task(lane.join("a1"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gone, stays = asyncio.create_task(lane.join("b2")), asyncio.create_task(lane.join("c3"))
    await asyncio.sleep(0)
    gone.cancel()
    first.cancel()  # on the way: it travels, and is not told
    road.free.set()

    assert await stays == "C3"
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert road.batches == [["a1"], ["c3"]]


async def test_answers_that_are_not_one_for_each_are_nobodys() -> None:
    async def lose_one(items: Sequence[str]) -> list[str | Exception]:
        return list(items[1:])

    lane = Lane(lose_one, batches=COMMITS)

    async with asyncio.timeout(5):
        told = await asyncio.gather(*map(lane.join, ["a1", "b2", "c3"]), return_exceptions=True)

    assert [type(each) for each in told] == [ValueError] * 3


async def test_a_batch_that_is_canceled_leaves_nobody_waiting() -> None:
    batches = []

    async def give_up(items: Sequence[str]) -> list[str | Exception]:
        batches.append(list(items))
        if len(batches) == 1:
            raise asyncio.CancelledError
        return list(items)

    lane = Lane(give_up, batches=COMMITS)

    async with asyncio.timeout(5):
        told = await asyncio.gather(*map(lane.join, ["a1", "b2"]), return_exceptions=True)

        assert [type(each) for each in told] == [asyncio.CancelledError] * 2
        assert await lane.join("c3") == "c3"


async def test_a_batch_that_hangs_is_overtaken_by_whoever_waits() -> None:
    hangs = asyncio.Event()

    async def run(items: Sequence[str]) -> list[str | Exception]:
        if "slow" in items:
            await hangs.wait()
        return list(items)

    lane = Lane(run, batches=COMMITS, patience_s=0.05)
    slow = asyncio.create_task(lane.join("slow"))
    await asyncio.sleep(0.01)

    async with asyncio.timeout(5):
        assert await asyncio.gather(*map(lane.join, ["behind", "too"])) == ["behind", "too"]
        assert not slow.done()
        assert await lane.join("another") == "another"
        hangs.set()
        assert await slow == "slow"
        assert await lane.join("afterwards") == "afterwards"


async def test_one_that_overtakes_may_hang_as_well() -> None:
    hangs = asyncio.Event()

    async def run(items: Sequence[str]) -> list[str | Exception]:
        if "slow" in "".join(items):
            await hangs.wait()
        return list(items)

    lane = Lane(run, batches=COMMITS, most=1, patience_s=0.05)
    slow = [asyncio.create_task(lane.join(f"slow {n}")) for n in range(3)]

    async with asyncio.timeout(5):
        assert await lane.join("fast") == "fast"
        hangs.set()
        assert await asyncio.gather(*slow) == ["slow 0", "slow 1", "slow 2"]


async def test_among_others_a_batch_waits_for_who_is_about_to_join() -> None:
    road = Road()
    road.free.set()
    lane = road.lane()

    async def arrive(item: str, turns: int) -> str:
        for _ in range(turns):
            await asyncio.sleep(0)
        return await lane.join(item)

    near = (arrive(f"b{turns}", turns) for turns in range(4, 24, 4))
    await asyncio.gather(lane.join("a1"), lane.join("a2"), *near)

    assert road.batches == [["a1", "a2"], ["b4", "b8", "b12", "b16", "b20"]]


async def test_alone_it_waits_for_nobody() -> None:
    road = Road()
    road.free.set()
    lane = road.lane()

    for item in ("a1", "a2"):
        await lane.join(item)
        await asyncio.sleep(0)

        assert lane._driver is None
