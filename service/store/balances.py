"""Balances as of any time, and the snapshots that keep them a few index seeks away.

The time is the books': ids of journals are UUIDv7, so a moment is a place in the index of entries.
A balance is its account's last snapshot before that place, and the entries between the two. The
books are closed first and rolled up when what was under way has ended, so that no entry ever comes
in below a snapshot; docs/decisions/0013-balances-as-of.md says why that holds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import asyncpg

from service.domain import ids
from service.domain.accounts import pattern_of
from service.store.books import Connection

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
    coalesce(snapshot.balance_minor, 0) + coalesce(newer.sum_minor, 0) AS balance_minor
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
# The accounts that fit patterns, by going from one to the next, as far as a page needs.
MATCHING = """\
WITH RECURSIVE named (account) AS (
    (SELECT e.account FROM entries AS e
        WHERE e.tenant_id = $1 AND e.account > $3 ORDER BY e.account LIMIT 1)
    UNION ALL
    SELECT next.account
    FROM named
    CROSS JOIN LATERAL (
        SELECT e.account FROM entries AS e
        WHERE e.tenant_id = $1 AND e.account > named.account ORDER BY e.account LIMIT 1
    ) AS next
)
SELECT named.account FROM named
WHERE named.account LIKE ANY ($2::text[])
LIMIT $4"""
IS_FINAL = "SELECT rolled_up_through >= $2 FROM closings WHERE tenant_id = $1"

# A tenant has no row before its books are closed for the first time, so those that are not due are
# found, and the others are due.
NOT_DUE = """\
SELECT now() AS database_now, coalesce(array_agg(c.tenant_id), ARRAY[]::text[]) AS not_due
FROM closings AS c WHERE c.tenant_id = ANY($1::text[]) AND c.due_at > now()"""
CLOSE_FURTHER = """\
UPDATE closings AS c
SET closed_through = greatest(c.closed_through, $2), due_at = now() + $3
WHERE c.tenant_id = $1 AND c.due_at <= now()
RETURNING c.closed_through"""
CLOSE_FIRST = f"""\
INSERT INTO closings (tenant_id, closed_through, rolled_up_through, due_at)
VALUES ($1, $2, '{FIRST}', now() + $3)
ON CONFLICT ON CONSTRAINT closings_pkey DO NOTHING
RETURNING closed_through"""
# Transaction ids mean something on one node only: these functions run on that of the tenant.
NEXT_XID = "SELECT next_transaction_id($1)"
ROLL_UP = "SELECT roll_up_balances($1, $2, $3, $4, $5)"


PAGE = 500  # accounts of one statement


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
    pool: Connection,
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
    return [Balance(row[0], row[1], int(row[2])) for row in rows]


async def balances_of(
    connection: Connection,
    tenant_id: str,
    names: Iterable[str],
    at: datetime | None = None,
    *,
    currency: str | None = None,
) -> AsyncIterator[Balance]:
    """The same of names in which ``*`` stands for any characters: all that fit, by their names."""
    patterns = [*map(pattern_of, names)]
    after = ""
    while True:
        page = [
            row[0] for row in await connection.fetch(MATCHING, tenant_id, patterns, after, PAGE)
        ]
        for balance in await balances_as_of(connection, tenant_id, page, at, currency=currency):
            yield balance
        if len(page) < PAGE:
            return
        after = page[-1]


async def is_final(pool: Connection, tenant_id: str, at: datetime) -> bool:
    """Whether nothing can be booked any more that would count as of this moment."""
    return bool(await pool.fetchval(IS_FINAL, tenant_id, ids.last_uuid(at)))


async def find_due_closings(pool: asyncpg.Pool, tenants: Iterable[str], *, limit: int) -> list[Due]:
    """Those of the tenants whose books are due to be closed further, or for the first time."""
    named = sorted(tenants)
    row = await pool.fetchrow(NOT_DUE, named)
    assert row is not None  # an aggregate always answers
    not_due = frozenset(row["not_due"])
    due = [tenant_id for tenant_id in named if tenant_id not in not_due]
    return [Due(tenant_id, row["database_now"]) for tenant_id in due[:limit]]


async def close_books(
    pool: asyncpg.Pool, tenant_id: str, through: datetime, *, lease: timedelta
) -> Closing | None:
    """Closes a tenant's books, if that is due: nothing is booked there any more with a time up to
    ``through``. The caller then has the ``lease`` to roll them up. None when another process was
    faster.
    """
    closing = tenant_id, ids.new_uuid(through), lease
    closed_through = await pool.fetchval(CLOSE_FURTHER, *closing)
    if closed_through is None:  # never closed before, or not due
        closed_through = await pool.fetchval(CLOSE_FIRST, *closing)
    if closed_through is None:
        return None
    # A statement of its own: the xid has to be given out when the closing is committed.
    return Closing(tenant_id, closed_through, await pool.fetchval(NEXT_XID, tenant_id))


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
