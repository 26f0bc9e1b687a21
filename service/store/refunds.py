"""Which refund an object at Stripe belongs to."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

import asyncpg

# Stripe's own id before ours: people edit metadata.
FIND = """\
SELECT r.escrow_id, r.refund_id, r.stripe_refund, r.effect_id, 1 AS place FROM refunds AS r
WHERE r.tenant_id = $1 AND r.stripe_refund = $2
UNION ALL
SELECT r.escrow_id, r.refund_id, r.stripe_refund, r.effect_id, 2 FROM refunds AS r
WHERE r.tenant_id = $1 AND r.refund_id = $3
ORDER BY place LIMIT 1"""


class RefundAtStripe(NamedTuple):
    """A refund of ours, its id at Stripe, and the effect that sent it last, as far as known."""

    escrow_id: UUID
    refund_id: UUID
    stripe_refund: str | None
    effect_id: UUID | None


async def find_refund(
    pool: asyncpg.Pool, tenant_id: str, stripe_refund: str, refund_id: UUID | None
) -> RefundAtStripe | None:
    row = await pool.fetchrow(FIND, tenant_id, stripe_refund, refund_id)
    return RefundAtStripe(*row[:-1]) if row else None
