"""The books, read for proof: every journal in order and every balance, at one moment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from service.store.pool import INDEX_PLANS

JOURNALS = """\
SELECT j.tenant_id, j.journal_id, j.kind, j.source_type, j.source_id, j.currency,
    ARRAY(SELECT (e.book, e.account, e.currency, e.amount_minor)::read_entry FROM entries AS e
        WHERE e.tenant_id = j.tenant_id AND e.journal_id = j.journal_id ORDER BY e.line) AS entries
FROM journals AS j
ORDER BY j.tenant_id, j.journal_id"""
BALANCES = "SELECT tenant_id, account, currency, balance_minor FROM balances"


Connection = asyncpg.Pool | PoolConnectionProxy
"""Where a statement is run: on its own, or at the moment of others."""


@asynccontextmanager
async def one_moment(pool: asyncpg.Pool) -> AsyncIterator[PoolConnectionProxy]:
    """A connection that sees the books as they are at one moment, and can change nothing.

    Checks read whole tables, so here the planner may join and scan as it likes.
    """
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        for setting in INDEX_PLANS:
            await connection.execute(f"SET LOCAL {setting} = on")
        yield connection
