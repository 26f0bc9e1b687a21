"""Whose something is: the payers or payees that ids lead to."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import asyncpg

OF_PAYER = ("payer_id", "escrow_id", "payment_id", "refund_id", "dispute_id")
OF_PAYEE = ("payee_id", "escrow_id", "payment_id", "payout_id", "refund_id", "dispute_id")
PAYERS = """\
SELECT y.reference, 1 AS place FROM payers AS y WHERE y.tenant_id = $1 AND y.payer_id = $2
UNION ALL
SELECT y.reference, 2 FROM escrows AS e
JOIN payers AS y ON y.tenant_id = e.tenant_id AND y.payer_id = e.payer_id
WHERE e.tenant_id = $1 AND e.escrow_id = $3
UNION ALL
SELECT y.reference, 3 FROM payments AS p
JOIN payers AS y ON y.tenant_id = p.tenant_id AND y.payer_id = p.payer_id
WHERE p.tenant_id = $1 AND p.payment_id = $4
UNION ALL
SELECT y.reference, 4 FROM refunds AS r
JOIN escrows AS e ON e.tenant_id = r.tenant_id AND e.escrow_id = r.escrow_id
JOIN payers AS y ON y.tenant_id = e.tenant_id AND y.payer_id = e.payer_id
WHERE r.tenant_id = $1 AND r.refund_id = $5
UNION ALL
SELECT y.reference, 5 FROM disputes AS t
JOIN escrows AS e ON e.tenant_id = t.tenant_id AND e.escrow_id = t.escrow_id
JOIN payers AS y ON y.tenant_id = e.tenant_id AND y.payer_id = e.payer_id
WHERE t.tenant_id = $1 AND t.dispute_id = $6"""
# Of an escrow: its payee, and, where asked for, those of parts of its milestones.
_OF_ESCROW = """\
JOIN payees AS z ON z.tenant_id = e.tenant_id AND z.payee_id = ANY(
    ARRAY(SELECT e.payee_id UNION ALL SELECT m.payee_id FROM milestone_payees AS m
        WHERE $8 AND m.tenant_id = e.tenant_id AND m.escrow_id = e.escrow_id)
)"""
PAYEES = f"""\
SELECT z.reference, 1 AS place FROM payees AS z WHERE z.tenant_id = $1 AND z.payee_id = $2
UNION ALL
SELECT z.reference, 2 FROM escrows AS e
{_OF_ESCROW}
WHERE e.tenant_id = $1 AND e.escrow_id = $3
UNION ALL
SELECT z.reference, 3 FROM payments AS p
JOIN escrows AS e ON e.tenant_id = p.tenant_id AND e.escrow_id = p.escrow_id
{_OF_ESCROW}
WHERE p.tenant_id = $1 AND p.payment_id = $4
UNION ALL
SELECT z.reference, 4 FROM payouts AS o
JOIN payees AS z ON z.tenant_id = o.tenant_id AND z.payee_id = o.payee_id
WHERE o.tenant_id = $1 AND o.payout_id = $5
UNION ALL
SELECT z.reference, 5 FROM refunds AS r
JOIN escrows AS e ON e.tenant_id = r.tenant_id AND e.escrow_id = r.escrow_id
{_OF_ESCROW}
WHERE r.tenant_id = $1 AND r.refund_id = $6
UNION ALL
SELECT z.reference, 6 FROM disputes AS t
JOIN escrows AS e ON e.tenant_id = t.tenant_id AND e.escrow_id = t.escrow_id
{_OF_ESCROW}
WHERE t.tenant_id = $1 AND t.dispute_id = $7"""


_THEIRS = "SELECT count(DISTINCT place) FROM ({found}) AS found WHERE reference = ${end_user}"
PAYERS_OWN = _THEIRS.format(found=PAYERS, end_user=7)
PAYEES_OWN = _THEIRS.format(found=PAYEES, end_user=9)


async def count_of_payer(
    pool: asyncpg.Pool, tenant_id: str, end_user: str, asked: Mapping[str, UUID | None]
) -> int:
    """How many of the ids, which have the names of OF_PAYER, lead to the payer of this
    reference.
    """
    named = [asked[name] for name in OF_PAYER]
    return int(await pool.fetchval(PAYERS_OWN, tenant_id, *named, end_user))


async def count_of_payee(
    pool: asyncpg.Pool,
    tenant_id: str,
    end_user: str,
    asked: Mapping[str, UUID | None],
    *,
    of_parts: bool,
) -> int:
    """How many of the ids, which have the names of OF_PAYEE, lead to the payee with this reference;
    with ``of_parts``, an escrow leads to the payees of parts of its milestones too.
    """
    named = [asked[name] for name in OF_PAYEE]
    return int(await pool.fetchval(PAYEES_OWN, tenant_id, *named, of_parts, end_user))
