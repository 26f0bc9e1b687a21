"""Every process tells the time of the database, and none that of its machine."""

import asyncio
import time
from datetime import timedelta

import pytest

from service.store import clock
from service.store.clock import NOW, DatabaseClock
from service.store.pool import ServicePool

SECOND = timedelta(seconds=1)


async def test_it_is_the_databases_time_and_goes_on(pool: ServicePool) -> None:
    told = DatabaseClock(pool)
    await told.set()
    first = told()
    await asyncio.sleep(0.05)

    assert await pool.fetchval(NOW) <= told()  # never behind
    assert told() - await pool.fetchval(NOW) < SECOND
    assert 0.04 < (told() - first).total_seconds() < 1


async def test_an_answer_that_took_long_sets_nothing(
    pool: ServicePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = DatabaseClock(pool)
    await told.set()
    before = told()
    monkeypatch.setattr(clock, "QUESTIONS", 1)
    monkeypatch.setattr(clock, "NOW", "SELECT clock_timestamp() - interval '1 hour', pg_sleep(1.2)")

    await told.set()

    assert told() > before


async def test_it_follows_a_database_whose_clock_was_set(
    pool: ServicePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = DatabaseClock(pool)
    await told.set()
    monkeypatch.setattr(clock, "PAUSE_S", 0.01)
    monkeypatch.setattr(clock, "NOW", "SELECT clock_timestamp() + interval '1 hour'")
    following = asyncio.create_task(told.follow())
    ahead = await pool.fetchval(NOW) + timedelta(minutes=59)
    deadline = time.monotonic() + 5
    while told() < ahead and time.monotonic() < deadline:  # noqa: ASYNC110  a clock tells nobody
        await asyncio.sleep(0.01)
    following.cancel()

    assert told() > ahead
