"""The gateway's own rate limit: whoever cannot wait is told at once, and takes nobody's turn."""

import asyncio
import time

import pytest

from service.stripe.gateway import TokenBucket

RATE_PER_S = 20.0
TURN_S = 1 / RATE_PER_S


async def spend_burst(bucket: TokenBucket) -> int:
    """Takes what may be taken at once; how many turns that were."""
    turns = 0
    while await bucket.take(most_s=TURN_S / 10):
        turns += 1
    return turns


async def test_a_burst_is_as_large_as_the_rate() -> None:
    assert await spend_burst(TokenBucket(RATE_PER_S)) in (RATE_PER_S - 1, RATE_PER_S)


async def test_turns_come_at_the_rate() -> None:
    bucket = TokenBucket(RATE_PER_S)
    await spend_burst(bucket)
    began = time.monotonic()

    assert all([await bucket.take(most_s=1.0) for _ in range(4)])

    assert time.monotonic() - began >= 3 * TURN_S


async def test_whoever_cannot_wait_so_long_is_told_at_once_and_keeps_nobody_waiting() -> None:
    bucket = TokenBucket(RATE_PER_S)
    await spend_burst(bucket)
    began = time.monotonic()

    answers = [await bucket.take(most_s=TURN_S / 10) for _ in range(2_000)]

    assert time.monotonic() - began < 1.0  # nobody slept for a no
    assert answers.count(True) <= 1 + (time.monotonic() - began) * RATE_PER_S
    assert await bucket.take(most_s=2 * TURN_S)


async def test_whoever_gives_up_leaves_the_turn_to_the_others() -> None:
    """Payment pages that are reloaded and closed must not push everybody else far away."""
    bucket = TokenBucket(RATE_PER_S)
    await spend_burst(bucket)
    waiting = [asyncio.create_task(bucket.take(most_s=60.0)) for _ in range(1_000)]
    await asyncio.sleep(0)  # each has its turn now, the last one in 50 s

    assert not await bucket.take(most_s=40.0)
    for task in waiting:
        task.cancel()
    ends = await asyncio.gather(*waiting, return_exceptions=True)

    assert all(isinstance(end, asyncio.CancelledError) for end in ends)
    assert await bucket.take(most_s=2 * TURN_S)


@pytest.mark.parametrize("canceled", [0, 1, 2])
async def test_those_who_stay_keep_their_turns(canceled: int) -> None:
    bucket = TokenBucket(RATE_PER_S)
    await spend_burst(bucket)
    waiting = [asyncio.create_task(bucket.take(most_s=60.0)) for _ in range(3)]
    await asyncio.sleep(0)

    waiting[canceled].cancel()
    ends = await asyncio.gather(*waiting, return_exceptions=True)

    assert ends.count(True) == 2
