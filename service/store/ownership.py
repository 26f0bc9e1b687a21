"""Whose something is: the references of the payers or payees that ids lead to."""

from __future__ import annotations

from uuid import UUID

import asyncpg

PAYERS = """\
SELECT y.reference FROM payers AS y WHERE y.tenant_id = $1 AND y.payer_id = $2
UNION ALL
SELECT y.reference FROM escrows AS e
JOIN payers AS y ON y.tenant_id = e.tenant_id AND y.payer_id = e.payer_id
WHERE e.tenant_id = $1 AND e.escrow_id = $3
UNION ALL
SELECT y.reference FROM payments AS p
JOIN payers AS y ON y.tenant_id = p.tenant_id AND y.payer_id = p.payer_id
WHERE p.tenant_id = $1 AND p.payment_id = $4
UNION ALL
SELECT y.reference FROM refunds AS r
JOIN escrows AS e ON e.tenant_id = r.tenant_id AND e.escrow_id = r.escrow_id
JOIN payers AS y ON y.tenant_id = e.tenant_id AND y.payer_id = e.payer_id
WHERE r.tenant_id = $1 AND r.refund_id = $5"""
PAYEES = """\
SELECT z.reference FROM payees AS z WHERE z.tenant_id = $1 AND z.payee_id = $2
UNION ALL
SELECT z.reference FROM escrows AS e
JOIN payees AS z ON z.tenant_id = e.tenant_id AND z.payee_id = e.payee_id
WHERE e.tenant_id = $1 AND e.escrow_id = $3
UNION ALL
SELECT z.reference FROM payments AS p
JOIN escrows AS e ON e.tenant_id = p.tenant_id AND e.escrow_id = p.escrow_id
JOIN payees AS z ON z.tenant_id = e.tenant_id AND z.payee_id = e.payee_id
WHERE p.tenant_id = $1 AND p.payment_id = $4
UNION ALL
SELECT z.reference FROM payouts AS o
JOIN payees AS z ON z.tenant_id = o.tenant_id AND z.payee_id = o.payee_id
WHERE o.tenant_id = $1 AND o.payout_id = $5
UNION ALL
SELECT z.reference FROM refunds AS r
JOIN escrows AS e ON e.tenant_id = r.tenant_id AND e.escrow_id = r.escrow_id
JOIN payees AS z ON z.tenant_id = e.tenant_id AND z.payee_id = e.payee_id
WHERE r.tenant_id = $1 AND r.refund_id = $6"""


async def find_payers_of(
    pool: asyncpg.Pool,
    tenant_id: str,
    *,
    payer_id: UUID | None,
    escrow_id: UUID | None,
    payment_id: UUID | None,
    refund_id: UUID | None,
) -> list[str]:
    """A reference for each of the ids that there is."""
    rows = await pool.fetch(PAYERS, tenant_id, payer_id, escrow_id, payment_id, refund_id)
    return [row[0] for row in rows]


async def find_payees_of(
    pool: asyncpg.Pool,
    tenant_id: str,
    *,
    payee_id: UUID | None,
    escrow_id: UUID | None,
    payment_id: UUID | None,
    payout_id: UUID | None,
    refund_id: UUID | None,
) -> list[str]:
    """A reference for each of the ids that there is."""
    named = payee_id, escrow_id, payment_id, payout_id, refund_id
    rows = await pool.fetch(PAYEES, tenant_id, *named)
    return [row[0] for row in rows]
