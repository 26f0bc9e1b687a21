import asyncio
import math

import pytest

from service.domain.errors import DeadlineExpired, Overloaded
from service.waiting import Line


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


async def test_a_line_that_moves_slowly_refuses_who_cannot_wait_and_heals() -> None:
    line: Line[str] = Line("test")
    tasks = [await joined(line, str(number)) for number in range(16)]
    for _ in range(12):
        line.call_next(take)
        await asyncio.sleep(0.02)

    with pytest.raises(Overloaded) as refused:
        await line.join("soon", in_s(0.05))  # four wait, for some 0.02 s each
    assert refused.value.retry_after_ms >= 100
    patient = await joined(line, "patient", in_s(5))

    while line.call_next(take):
        pass
    await asyncio.gather(*tasks, patient)
    soon = await joined(line, "soon", in_s(0.05))  # it was empty: what held it up may be over
    assert line.call_next(take)
    await soon


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
