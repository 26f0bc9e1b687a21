"""What is told of an escrow beyond its own rows: its money, what is open, and what came later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from service.domain.records.approval import Approval
from service.domain.records.effect import Effect
from service.store.rows import from_row, select_list

# With the version of the escrow, by which one knows that it is of the same moment as what else was
# read. Every journal of an escrow is written with a new version of it.
MOVEMENTS = """\
SELECT x.version, e.account, e.currency, j.kind, count(*),
    coalesce(sum(e.amount_minor) FILTER (WHERE e.amount_minor > 0), 0),
    coalesce(-sum(e.amount_minor) FILTER (WHERE e.amount_minor < 0), 0),
    min(j.created_at), max(j.created_at)
FROM escrows AS x
LEFT JOIN journals AS j
    ON j.tenant_id = x.tenant_id AND j.escrow_id = x.escrow_id AND j.created_at <= $3
LEFT JOIN entries AS e ON e.tenant_id = j.tenant_id AND e.journal_id = j.journal_id
WHERE x.tenant_id = $1 AND x.escrow_id = $2
GROUP BY x.version, e.book, e.account, e.currency, j.kind
ORDER BY e.book DESC, e.account, e.currency, min(j.created_at), j.kind"""
OPEN_EFFECTS = f"""\
SELECT {select_list(Effect, "f")} FROM effects AS f
WHERE f.tenant_id = $1 AND f.escrow_id = $2 AND f.state IN ('PLANNED', 'SENDING', 'UNKNOWN')
ORDER BY f.effect_id"""
WAITING_APPROVALS = f"""\
SELECT {select_list(Approval, "a")} FROM approvals AS a
WHERE a.tenant_id = $1 AND a.escrow_id = $2 AND a.state = 'WAITING' AND a.expires_at > $3
ORDER BY a.approval_id"""
CHANGED_AFTER = """\
SELECT transitions FROM operations
WHERE tenant_id = $1 AND escrow_id = $2 AND escrow_version > 0 AND occurred_at > $3
ORDER BY escrow_version"""


class Movement(NamedTuple):
    """What the journals of a kind have moved on an account, in minor units of a currency."""

    account: str
    currency: str
    kind: str
    journals: int
    debit_minor: int
    credit_minor: int
    first_at: datetime
    last_at: datetime


async def find_movements(
    pool: asyncpg.Pool, tenant_id: str, escrow_id: UUID, until: datetime
) -> tuple[int, list[Movement]]:
    """The version of the escrow, and what was booked for it until then, account by account. The
    version is 0 where there is no such escrow.
    """
    rows = await pool.fetch(MOVEMENTS, tenant_id, escrow_id, until)
    booked = [
        Movement(row[1], row[2], row[3], row[4], int(row[5]), int(row[6]), row[7], row[8])
        for row in rows
        if row["account"] is not None  # there is none before the first payment
    ]
    return (rows[0]["version"] if rows else 0), booked


async def find_open_effects(pool: asyncpg.Pool, tenant_id: str, escrow_id: UUID) -> list[Effect]:
    """The calls to Stripe that are open for an escrow, the oldest first."""
    rows = await pool.fetch(OPEN_EFFECTS, tenant_id, escrow_id)
    return [from_row(Effect, row) for row in rows]


async def find_waiting_approvals(
    pool: asyncpg.Pool, tenant_id: str, escrow_id: UUID, now: datetime
) -> list[Approval]:
    """What waits for a second person."""
    rows = await pool.fetch(WAITING_APPROVALS, tenant_id, escrow_id, now)
    return [from_row(Approval, row) for row in rows]


async def find_changes_after(
    pool: asyncpg.Pool, tenant_id: str, escrow_id: UUID, moment: datetime
) -> list[Sequence[str]]:
    """The changes of states since, the oldest first: (subject, before, after)."""
    rows = await pool.fetch(CHANGED_AFTER, tenant_id, escrow_id, moment)
    return [each for row in rows for each in row[0]]
