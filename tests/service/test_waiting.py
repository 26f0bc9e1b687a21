import asyncio
import math
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from service.domain.errors import DeadlineExpired, Overloaded
from service.waiting import PACE_HALF_LIFE_S, Line


def take(_: str) -> None:
    """Of these tests nobody needs to know who was called."""


def in_s(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def joined(line: Line[str], item: str, answer_by: float = math.inf) -> asyncio.Task[None]:
    task = asyncio.ensure_future(line.join(item, answer_by))
    await asyncio.sleep(0)
    return task


async def test_who_came_first_is_called_first() -> None:
    line: Line[str] = Line("test")
    tasks = [await joined(line, item) for item in "abc"]
    called: list[str] = []

    while line.call_next(called.append):
        pass

    await asyncio.gather(*tasks)
    assert called == ["a", "b", "c"]
    assert not line


async def test_who_has_left_is_not_called() -> None:
    line: Line[str] = Line("test")
    first, second = await joined(line, "a"), await joined(line, "b")
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    called: list[str] = []

    assert line.call_next(called.append)

    await second
    assert called == ["b"]
    assert not line.call_next(called.append)


async def test_who_is_called_too_late_is_passed_over() -> None:
    line: Line[str] = Line("test")
    late, other = await joined(line, "late", in_s(0.02)), await joined(line, "other")
    await asyncio.sleep(0.03)
    called: list[str] = []

    assert line.call_next(called.append)

    with pytest.raises(DeadlineExpired):
        await late
    await other
    assert called == ["other"]


class Clock:
    """What the event loop takes for the time."""

    def __init__(self) -> None:
        self.now = 1_000.0
        asyncio.get_running_loop().time = lambda: self.now  # type: ignore[method-assign]

    async def moves(self, line: Line[str], count: int, *, each_s: float) -> None:
        for _ in range(count):
            self.now += each_s
            assert line.call_next(take)
            await asyncio.sleep(0)


@pytest_asyncio.fixture
async def clock() -> AsyncIterator[Clock]:
    yield Clock()
    del asyncio.get_running_loop().time


async def test_a_line_that_moves_slowly_refuses_who_cannot_wait(clock: Clock) -> None:
    line: Line[str] = Line("test")
    tasks = [await joined(line, str(number)) for number in range(44)]
    await clock.moves(line, 40, each_s=0.02)

    with pytest.raises(Overloaded) as refused:
        await line.join("soon", in_s(0.09))  # as the fifth
    assert refused.value.retry_after_ms == 100
    patient = await joined(line, "patient", in_s(0.11))

    await clock.moves(line, 5, each_s=0.02)
    await asyncio.gather(*tasks, patient)


async def test_an_empty_line_forgets_by_halves_how_slow_it_was(clock: Clock) -> None:
    line: Line[str] = Line("test", inside=8)
    tasks = [await joined(line, str(number)) for number in range(41)]
    await clock.moves(line, 41, each_s=0.102)
    await asyncio.gather(*tasks)

    async def is_refused(within_s: float) -> bool:
        task = await joined(line, "next", in_s(within_s))
        refused = task.done()
        if refused:
            assert isinstance(task.exception(), Overloaded)
        else:
            line.call_next(take)
            await task
        return refused

    assert await is_refused(0.9)  # eight are at work and it is the ninth: some 0.918 s
    for _ in range(100):  # who asks again and again, and is refused, does not keep it slow
        clock.now += PACE_HALF_LIFE_S / 100
        await is_refused(0.1)
    assert await is_refused(9 * 0.051)
    assert not await is_refused(9 * 0.053)

    clock.now += 20 * PACE_HALF_LIFE_S
    assert await is_refused(9 * 0.0019)
    assert not await is_refused(9 * 0.0021)


async def test_who_waits_is_refused_as_soon_as_the_line_is_too_slow_for_it(clock: Clock) -> None:
    line: Line[str] = Line("test", inside=8)
    tasks = [await joined(line, str(number), in_s(1)) for number in range(100)]

    await clock.moves(line, 8, each_s=0.03)
    early = [task for task in tasks if task.done() and task.exception()]
    while line:
        await clock.moves(line, 1, each_s=0.03)

    await asyncio.gather(*tasks, return_exceptions=True)
    refused = [task for task in tasks if task.exception()]
    assert refused == tasks[-len(refused) :]  # from the end
    assert all(isinstance(task.exception(), Overloaded) for task in refused)
    assert len(tasks) - len(refused) == pytest.approx(1 / 0.03 - 8, abs=3)
    assert len(early) > 0.8 * len(refused)


async def test_who_could_not_be_answered_in_time_is_not_begun(clock: Clock) -> None:
    """It would be at work for as long as the eight others are."""
    line: Line[str] = Line("test", inside=8)
    first = [await joined(line, str(number)) for number in range(60)]
    await clock.moves(line, 59, each_s=0.05)
    hasty = await joined(line, "hasty", in_s(0.51))
    patient = await joined(line, "patient")
    clock.now += 0.2
    called: list[str] = []

    while line.call_next(called.append):
        pass

    with pytest.raises(Overloaded):
        await hasty
    await asyncio.gather(*first, patient)
    assert called == ["59", "patient"]


async def test_one_move_that_was_held_up_refuses_nobody() -> None:
    line: Line[str] = Line("test")
    tasks = [await joined(line, str(number)) for number in range(300)]
    line.call_next(take)
    await asyncio.sleep(1)
    line.call_next(take)

    patient = await joined(line, "patient", in_s(10))

    while line.call_next(take):
        pass
    await asyncio.gather(*tasks, patient)


async def test_a_full_line_refuses_callers_and_no_worker() -> None:
    line: Line[str] = Line("test", most=1)
    first = await joined(line, "a")

    with pytest.raises(Overloaded):
        await line.join("b", in_s(60))
    worker = await joined(line, "what Stripe has answered")

    while line.call_next(take):
        pass
    await asyncio.gather(first, worker)
