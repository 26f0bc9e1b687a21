"""Books that are closed in the middle of the day, up to that very moment, and read as of any time.

The service's own worker closes a minute back, which no seed is long enough to notice. Here whoever
decided before a closing and commits after it is refused, and has to be sent again.
"""

import asyncio
import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import asyncpg

from service.store.balances import (
    Balance,
    Closing,
    balances_as_of,
    close_books,
    is_final,
    roll_up,
)
from tests.chaos.caller import Breach

TENANT = "default"
OVER = timedelta(0)  # a lease that is over when it begins
MOMENT = timedelta(milliseconds=1)
PAUSE_S = 0.02
PATIENCE_S = 20.0  # another test's transaction on the same server may be open
MOMENTS = 12

# The worker may hold the lease.
END_LEASE = "UPDATE closings SET due_at = now() WHERE tenant_id = $1"
ACCOUNTS = "SELECT DISTINCT account FROM entries WHERE tenant_id = $1 ORDER BY 1"
BOOKED_AT = "SELECT DISTINCT created_at FROM journals WHERE tenant_id = $1 ORDER BY 1"
# By the time of the journal, and by nothing that the answer is read from.
PLAIN_SUMS = """
SELECT e.account, e.currency, sum(e.amount_minor)::bigint
FROM entries AS e JOIN journals AS j USING (tenant_id, journal_id)
WHERE tenant_id = $1 AND date_trunc('milliseconds', j.created_at) <= $2
GROUP BY e.account, e.currency HAVING sum(e.amount_minor) <> 0
ORDER BY e.account, e.currency"""


class Closings:
    """Closes the books of the tenant, and holds them to what they said when they were final."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._final: dict[datetime, list[Balance]] = {}

    async def close(self, draw: random.Random) -> None:
        """Closes them now, and rolls them up in steps of a drawn size."""
        at = datetime.now(UTC)
        await self._pool.execute(END_LEASE, TENANT)
        closing = await close_books(self._pool, TENANT, at, lease=OVER)
        if closing is None:
            return  # the worker was faster
        await self._roll_up(closing, draw.choice([1, 3, 8]), draw.choice([1, 5, 50]))
        if await is_final(self._pool, TENANT, at - MOMENT):
            self._final[at - MOMENT] = await self._read(at - MOMENT)

    async def check(self) -> list[Breach]:
        """Balances as of any time are plain sums, and what was final has stayed as it was."""
        await self.close(random.Random(0))  # what follows is read from snapshots
        booked = [row[0] for row in await self._pool.fetch(BOOKED_AT, TENANT)]
        breaches = []
        for at in _some(booked):
            found = await self._read(at)
            plain = [Balance(*row) for row in await self._pool.fetch(PLAIN_SUMS, TENANT, at)]
            breaches += _differing("a balance is not its sum", at, found, plain)
        for at, told in self._final.items():
            now = await self._read(at)
            breaches += _differing("what was final has changed", at, now, told)
        return breaches

    async def _read(self, at: datetime) -> list[Balance]:
        accounts = [row[0] for row in await self._pool.fetch(ACCOUNTS, TENANT)]
        found = await balances_as_of(self._pool, TENANT, accounts, at)
        return [balance for balance in found if balance.balance_minor]

    async def _roll_up(self, closing: Closing, entries_apart: int, most_journals: int) -> None:
        """To the end, unless they are closed further meanwhile."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_S
        while loop.time() < deadline:
            through = await roll_up(
                self._pool, closing, entries_apart=entries_apart, most_journals=most_journals
            )
            if through == closing.through:
                return
            if through is None:
                await asyncio.sleep(PAUSE_S)


def _some(moments: list[datetime]) -> Iterable[datetime]:
    """The last, and a few all over the day."""
    return moments[:: -max(1, len(moments) // MOMENTS)]


def _differing(
    what: str, at: datetime, found: list[Balance], wanted: list[Balance]
) -> list[Breach]:
    facts = [("found", set(found) - set(wanted)), ("wanted", set(wanted) - set(found))]
    if not any(rows for _, rows in facts):
        return []
    return [Breach(what, {"at": at.isoformat(), **{name: str(rows) for name, rows in facts}})]
