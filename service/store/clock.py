"""One clock for all processes: the database's.

What one process writes another compares with its own time: when a lease ends, when an effect is
due, for how long its outcome has been unknown. Machines' clocks differ, by hours on a bad day. So
no process reads its own: it asks the database now and then, and counts seconds from there.
"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta

import asyncpg
import structlog

log = structlog.get_logger()

NOW = "SELECT clock_timestamp()"
PAUSE_S = 30.0
QUESTIONS = 3
# An answer that took longer says too little about when it was written.
MOST_ANSWER_S = 1.0


class DatabaseClock:
    """The time of the database; set it before it is read."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._known: tuple[datetime, float] | None = None

    def __call__(self) -> datetime:
        assert self._known is not None
        at, asked_s = self._known
        return at + timedelta(seconds=time.monotonic() - asked_s)

    async def set(self) -> None:
        """Asks the database a few times; the quickest answer says it best. It was written after it
        was asked for, so the clock is never behind, and ahead by no more than that answer took.
        """
        took_s, at, asked_s = min([await self._ask() for _ in range(QUESTIONS)])
        if self._known is None or took_s <= MOST_ANSWER_S:
            self._known = at, asked_s

    async def _ask(self) -> tuple[float, datetime, float]:
        """For how long the answer took, the time it says, and when it was asked for."""
        asked_s = time.monotonic()
        at: datetime = await self._pool.fetchval(NOW)
        return time.monotonic() - asked_s, at, asked_s

    async def follow(self) -> None:
        """Sets it again and again until it is canceled; while the database is away it counts on."""
        while True:
            await asyncio.sleep(PAUSE_S)
            try:
                await self.set()
            except Exception:
                log.warning("clock not set", exc_info=True)
