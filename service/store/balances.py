"""Balances as of any time, and the snapshots that keep them a few index seeks away.

The time is the books': ids of journals are UUIDv7, so a moment is a place in the index of entries.
A balance is its account's last snapshot before that place, and the entries between the two. The
books are closed first and rolled up when what was under way has ended, so that no entry ever comes
in below a snapshot; docs/decisions/0013-balances-as-of.md says why that holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import asyncpg

from service.domain import ids

# Below and above every id.
FIRST, LAST = UUID(int=0), UUID(int=(1 << 128) - 1)

# The currencies of an account are found by going from one to the next: a seek for each.
AS_OF = f"""\
WITH RECURSIVE held (account, currency) AS (
    SELECT named.account, first.currency
    FROM unnest($2::text[]) AS named (account)
    CROSS JOIN LATERAL (
        SELECT e.currency FROM entries AS e
        WHERE e.tenant_id = $1 AND e.account = named.account
        ORDER BY e.currency LIMIT 1
    ) AS first
    UNION
    SELECT held.account, next.currency
    FROM held
    CROSS JOIN LATERAL (
        SELECT e.currency FROM entries AS e
        WHERE e.tenant_id = $1 AND e.account = held.account AND e.currency > held.currency
        ORDER BY e.currency LIMIT 1
    ) AS next
)
SELECT held.account, held.currency,
    (coalesce(snapshot.balance_minor, 0) + coalesce(newer.sum_minor, 0))::bigint AS balance_minor
FROM held
LEFT JOIN LATERAL (
    SELECT s.through, s.balance_minor FROM balance_snapshots AS s
    WHERE s.tenant_id = $1 AND s.account = held.account AND s.currency = held.currency
    AND s.through <= $3
    ORDER BY s.through DESC LIMIT 1
) AS snapshot ON true
CROSS JOIN LATERAL (
    SELECT sum(e.amount_minor) AS sum_minor FROM entries AS e
    WHERE e.tenant_id = $1 AND e.account = held.account AND e.currency = held.currency
    AND e.journal_id > coalesce(snapshot.through, '{FIRST}') AND e.journal_id <= $3
) AS newer
WHERE $4::text IS NULL OR held.currency = $4
ORDER BY held.account, held.currency"""
IS_FINAL = "SELECT rolled_up_through >= $2 FROM closings WHERE tenant_id = $1"

FIND_DUE = """\
SELECT named.tenant_id, now() AS database_now
FROM unnest($1::text[]) AS named (tenant_id)
WHERE coalesce(
    (SELECT c.due_at FROM closings AS c WHERE c.tenant_id = named.tenant_id), '-infinity'
) <= now()
LIMIT $2"""
CLOSE = f"""\
INSERT INTO closings AS c (tenant_id, closed_through, rolled_up_through, due_at)
VALUES ($1, $2, '{FIRST}', now() + $3)
ON CONFLICT ON CONSTRAINT closings_pkey DO UPDATE
SET closed_through = greatest(c.closed_through, EXCLUDED.closed_through), due_at = EXCLUDED.due_at
WHERE c.due_at <= now()
RETURNING closed_through"""
# Its own xid is greater than that of every transaction that had one by now.
NEXT_XID = "SELECT pg_current_xact_id()::text"
# Rolls up one step, the journals of which are counted, so that a step is short however much there
# is to do. It answers nothing while a transaction with an earlier xid is open, and when the books
# are closed further, or not as far (the database was restored): then this closing is void.
ROLL_UP = f"""\
WITH closing AS (
    SELECT c.rolled_up_through AS since FROM closings AS c
    WHERE c.tenant_id = $1 AND c.closed_through = $2
    AND pg_snapshot_xmin(pg_current_snapshot()) >= $3::text::xid8
    FOR UPDATE
), step AS (
    SELECT closing.since, coalesce(
        (SELECT j.journal_id FROM journals AS j
            WHERE j.tenant_id = $1 AND j.journal_id > closing.since AND j.journal_id <= $2
            ORDER BY j.journal_id OFFSET $5 - 1 LIMIT 1),
        $2
    ) AS through
    FROM closing
), changed AS (
    SELECT DISTINCT e.account, e.currency
    FROM step
    JOIN entries AS e ON e.tenant_id = $1
        AND e.journal_id > step.since AND e.journal_id <= step.through
), wrote_snapshots AS (
    INSERT INTO balance_snapshots (
        tenant_id, account, currency, through, balance_minor, entries
    )
    SELECT $1, changed.account, changed.currency, step.through,
        coalesce(snapshot.balance_minor, 0) + newer.sum_minor,
        coalesce(snapshot.entries, 0) + newer.entries
    FROM step
    CROSS JOIN changed
    LEFT JOIN LATERAL (
        SELECT s.through, s.balance_minor, s.entries FROM balance_snapshots AS s
        WHERE s.tenant_id = $1 AND s.account = changed.account AND s.currency = changed.currency
        ORDER BY s.through DESC LIMIT 1
    ) AS snapshot ON true
    CROSS JOIN LATERAL (
        SELECT sum(e.amount_minor) AS sum_minor, count(*) AS entries FROM entries AS e
        WHERE e.tenant_id = $1 AND e.account = changed.account AND e.currency = changed.currency
        AND e.journal_id > coalesce(snapshot.through, '{FIRST}') AND e.journal_id <= step.through
    ) AS newer
    WHERE newer.entries >= $4
)
UPDATE closings AS c SET rolled_up_through = step.through
FROM step WHERE c.tenant_id = $1
RETURNING c.rolled_up_through"""


class Balance(NamedTuple):
    """What an account comes to: positive on the debit side, in minor units."""

    account: str
    currency: str
    balance_minor: int


@dataclass(frozen=True, slots=True)
class Due:
    """A tenant whose books are to be closed further; ``database_now`` is the database's clock."""

    tenant_id: str
    database_now: datetime


@dataclass(frozen=True, slots=True)
class Closing:
    """Books that are closed, and not rolled up yet.

    They are final when every transaction with an xid before ``xid`` is over. It means nothing to
    another server, nor to this one after a restore: it is never stored.
    """

    tenant_id: str
    through: UUID
    xid: str


async def balances_as_of(
    pool: asyncpg.Pool,
    tenant_id: str,
    accounts: Iterable[str],
    at: datetime | None = None,
    *,
    currency: str | None = None,
) -> list[Balance]:
    """What the accounts came to at the end of a moment (a millisecond), or come to now, in every
    currency or in one; in the order of their names. An account without entries is left out.
    """
    through = ids.last_uuid(at) if at else LAST
    rows = await pool.fetch(AS_OF, tenant_id, list(accounts), through, currency)
    return [Balance(*row) for row in rows]


async def is_final(pool: asyncpg.Pool, tenant_id: str, at: datetime) -> bool:
    """Whether nothing can be booked any more that would count as of this moment."""
    return bool(await pool.fetchval(IS_FINAL, tenant_id, ids.last_uuid(at)))


async def find_due_closings(pool: asyncpg.Pool, tenants: Iterable[str], *, limit: int) -> list[Due]:
    """Those of the tenants whose books were not closed for a while, or ever."""
    return [Due(*row) for row in await pool.fetch(FIND_DUE, sorted(tenants), limit)]


async def close_books(
    pool: asyncpg.Pool, tenant_id: str, through: datetime, *, lease: timedelta
) -> Closing | None:
    """Closes a tenant's books, if that is due: nothing is booked there any more with a time up to
    ``through``. The caller then has the ``lease`` to roll them up. None when another process was
    faster.
    """
    closed_through = await pool.fetchval(CLOSE, tenant_id, ids.new_uuid(through), lease)
    if closed_through is None:
        return None
    # A statement of its own: the xid has to be given out when the closing is committed.
    return Closing(tenant_id, closed_through, await pool.fetchval(NEXT_XID))


async def roll_up(
    pool: asyncpg.Pool, closing: Closing, *, entries_apart: int, most_journals: int
) -> UUID | None:
    """Rolls up the next step of closed books: every account that has ``entries_apart`` entries
    beyond its last snapshot gets a new one. How far that went; all is done at ``closing.through``.
    None when the books are not final yet, or have been closed further by another.
    """
    through: UUID | None = await pool.fetchval(
        ROLL_UP, closing.tenant_id, closing.through, closing.xid, entries_apart, most_journals
    )
    return through
