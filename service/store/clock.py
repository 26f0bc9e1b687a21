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
# An answer that took longer says too little about when it was written.
MOST_ANSWER_S = 1.0


class DatabaseClock:
    """The time of the database; set it before it is read."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._known: tuple[datetime, float] | None = None

    def __call__(self) -> datetime:
        assert self._known is not None
        at, counted_s = self._known
        return at + timedelta(seconds=time.monotonic() - counted_s)

    async def set(self) -> None:
        """Asks the database. What it says was written about half way through."""
        asked_s = time.monotonic()
        at: datetime = await self._pool.fetchval(NOW)
        took_s = time.monotonic() - asked_s
        if self._known is None or took_s <= MOST_ANSWER_S:
            self._known = at, asked_s + took_s / 2

    async def follow(self) -> None:
        """Sets it again and again until it is canceled; while the database is away it counts on."""
        while True:
            await asyncio.sleep(PAUSE_S)
            try:
                await self.set()
            except Exception:
                log.warning("clock not set", exc_info=True)
