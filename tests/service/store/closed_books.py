"""Books that a test closes up to a moment of its choice, and rolls up as a worker does."""

import asyncio
from datetime import datetime, timedelta

from service.store.balances import Closing, close_books, roll_up
from service.store.pool import ServicePool
from tests.records import TENANT

OVER = timedelta(0)  # a lease that is over when it begins


async def close(pool: ServicePool, through: datetime) -> Closing:
    closing = await close_books(pool, TENANT, through, lease=OVER)
    assert closing is not None
    return closing


async def roll_all_up(
    pool: ServicePool, closing: Closing, *, entries_apart: int = 1, most_journals: int = 3
) -> int:
    """Rolls closed books up to their end; how many steps that took."""
    steps = 0
    async with asyncio.timeout(20):
        while True:
            through = await roll_up(
                pool, closing, entries_apart=entries_apart, most_journals=most_journals
            )
            steps += through is not None
            if through == closing.through:
                return steps
            if through is None:
                await asyncio.sleep(0.01)  # another test's transaction is open
