"""Closes the books of a minute ago, and rolls up the balances of what is closed."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from service.store.balances import Closing, Due, close_books, find_due_closings, roll_up
from service.workers.loop import Worker

log = structlog.get_logger()

# How old an operation may be when it is committed, and how far a clock may be behind. A later
# one is refused (BooksClosed), so it is much longer than any statement may take.
GRACE = timedelta(seconds=60)
LEASE = timedelta(seconds=60)  # and so the pause between two closings
PAUSE_S = 0.2
# A read adds up to this many entries to a snapshot, and those of the last two minutes.
ENTRIES_APART = 256
MOST_JOURNALS = 5_000  # of one step, which takes some tenths of a second


class ClosingsWorker(Worker[Due]):
    """Tenants whose books were not closed for a minute: the first process to see one closes it."""

    async def take(self, limit: int) -> list[Due]:
        runtime = self.runtime
        return await find_due_closings(runtime.pool, runtime.stripe, limit=limit)

    async def do(self, item: Due) -> None:
        # By the clock that is behind: one alone that goes wrong must not close the books to all.
        through = min(self.runtime.clock(), item.database_now) - GRACE
        closing = await close_books(self.runtime.pool, item.tenant_id, through, lease=LEASE)
        if closing:
            await self._roll_up(closing)

    async def _roll_up(self, closing: Closing) -> None:
        """Step by step, for as long as the lease; the next one goes on where this one ends."""
        clock = asyncio.get_running_loop()
        end = clock.time() + LEASE.total_seconds()
        while not self._stopping.is_set():
            through = await roll_up(
                self.runtime.pool,
                closing,
                entries_apart=ENTRIES_APART,
                most_journals=MOST_JOURNALS,
            )
            if through == closing.through:
                return
            if through is None:
                await asyncio.sleep(PAUSE_S)
            if clock.time() > end:
                log.warning("balances are not rolled up yet", tenant_id=closing.tenant_id)
                return
