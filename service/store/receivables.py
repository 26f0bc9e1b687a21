"""What payees owe: what is to be called back, and what a refund has caused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from service.domain.records.receivable import Receivable
from service.store.rows import from_row, select_list

DUE = """\
SELECT d.tenant_id, d.escrow_id, d.receivable_id, d.version, d.effect_id, r.stripe_transfer
FROM receivables AS d
LEFT JOIN releases AS r ON r.tenant_id = d.tenant_id AND r.escrow_id = d.escrow_id
    AND r.release_id = d.release_id
WHERE d.state = 'OWED' AND d.recover_at <= $1
ORDER BY d.recover_at
LIMIT $2"""
# No operation of the escrow, because nothing was decided.
POSTPONE = """\
UPDATE receivables AS d SET recover_at = $3
WHERE d.tenant_id = $1 AND d.receivable_id = $2 AND d.state = 'OWED'"""
OF_REFUND = f"""\
SELECT {select_list(Receivable, "d")} FROM receivables AS d
WHERE d.tenant_id = $1 AND d.refund_id = $2
ORDER BY d.receivable_id"""
IS_REVERSING = """\
SELECT EXISTS (
    SELECT 1 FROM receivables AS d
    WHERE d.tenant_id = $1 AND d.stripe_account = $2 AND d.state = 'REVERSING'
)"""
OF_REVERSAL = f"""\
SELECT {select_list(Receivable, "d")}, f.effect_id AS reversed_by FROM effects AS f
JOIN receivables AS d ON d.tenant_id = f.tenant_id AND d.receivable_id = f.subject_id
WHERE f.tenant_id = $1 AND f.kind = 'reverse_transfer' AND f.stripe_object = $2"""


@dataclass(frozen=True, slots=True)
class DueReceivable:
    """What a payee owes, and their account can be asked for now."""

    tenant_id: str
    escrow_id: UUID
    receivable_id: UUID
    version: int
    effect_id: UUID | None
    stripe_transfer: str | None


async def find_due_receivables(
    pool: asyncpg.Pool, now: datetime, *, limit: int
) -> list[DueReceivable]:
    rows = await pool.fetch(DUE, now, limit)
    return [DueReceivable(*row) for row in rows]


async def postpone_receivable(
    pool: asyncpg.Pool, due: DueReceivable, now: datetime, pause: timedelta
) -> None:
    """Lets a receivable wait for what cannot be decided yet."""
    await pool.execute(POSTPONE, due.tenant_id, due.receivable_id, now + pause)


async def find_receivables_of_refund(
    pool: asyncpg.Pool, tenant_id: str, refund_id: UUID
) -> list[Receivable]:
    """All that a refund has caused, also what is settled."""
    rows = await pool.fetch(OF_REFUND, tenant_id, refund_id)
    return [from_row(Receivable, row) for row in rows]


async def is_reversing(pool: asyncpg.Pool, tenant_id: str, account: str) -> bool:
    """Whether a transfer to this account is being reversed."""
    return bool(await pool.fetchval(IS_REVERSING, tenant_id, account))


async def find_reversed(
    pool: asyncpg.Pool, tenant_id: str, reversal: str
) -> tuple[Receivable, UUID] | None:
    """What a reversal at Stripe has brought back, and the effect that made it."""
    row = await pool.fetchrow(OF_REVERSAL, tenant_id, reversal)
    return (from_row(Receivable, list(row)[:-1]), row["reversed_by"]) if row else None
