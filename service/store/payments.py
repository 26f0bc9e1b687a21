"""Which payment, release or payout an object at Stripe belongs to."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

import asyncpg

_FOUND = (
    "p.escrow_id, p.payment_id, p.amount_minor, p.currency, p.stripe_balance_transaction,"
    " p.stripe_payment_intent"
)
# Stripe's own ids before ours: people edit metadata.
FIND_PAYMENT = f"""\
SELECT {_FOUND}, 1 AS place FROM payments AS p
WHERE p.tenant_id = $1 AND p.stripe_payment_intent = $3
UNION ALL
SELECT {_FOUND}, 2 FROM payments AS p WHERE p.tenant_id = $1 AND p.stripe_charge = $4
UNION ALL
SELECT {_FOUND}, 3 FROM payments AS p WHERE p.tenant_id = $1 AND p.payment_id = $2
ORDER BY place LIMIT 1"""
FIND_PAYOUT = """\
SELECT o.payout_id, o.payee_id FROM (
    SELECT z.payee_id FROM payees AS z WHERE z.tenant_id = $1 AND z.stripe_account = $2
    UNION ALL
    SELECT a.payee_id FROM previous_accounts AS a
    WHERE a.tenant_id = $1 AND a.stripe_account = $2
) AS owner
JOIN payouts AS o ON o.tenant_id = $1 AND o.payee_id = owner.payee_id
WHERE o.stripe_payout = $3"""
FIND_TRANSFERRED = """\
SELECT r.escrow_id, r.payment_id, r.effect_id FROM releases AS r
WHERE r.tenant_id = $1 AND r.stripe_transfer = $2 LIMIT 1"""

NEWEST_SETTLED = """\
SELECT DISTINCT ON (p.currency) p.currency, coalesce(p.settled_currency, p.currency)
FROM payments AS p
WHERE p.tenant_id = $1 AND p.stripe_balance_transaction IS NOT NULL
ORDER BY p.currency, p.payment_id DESC"""


class FoundPayment(NamedTuple):
    """A payment of ours, its amount in minor units, and its objects at Stripe."""

    escrow_id: UUID
    payment_id: UUID
    amount_minor: int
    currency: str
    balance_transaction: str | None
    payment_intent: str | None


class Transferred(NamedTuple):
    """The released part that a transfer carried, and the effect that made the transfer."""

    escrow_id: UUID
    payment_id: UUID
    effect_id: UUID


async def find_payment(
    pool: asyncpg.Pool,
    tenant_id: str,
    *,
    payment_id: UUID | None = None,
    payment_intent: str | None = None,
    charge: str | None = None,
) -> FoundPayment | None:
    """The payment that has one of these ids; None when it is not one of ours."""
    row = await pool.fetchrow(FIND_PAYMENT, tenant_id, payment_id, payment_intent, charge)
    return FoundPayment(*row[:-1]) if row else None


async def find_transferred(pool: asyncpg.Pool, tenant_id: str, transfer: str) -> Transferred | None:
    row = await pool.fetchrow(FIND_TRANSFERRED, tenant_id, transfer)
    return Transferred(*row) if row else None


async def find_payout(
    pool: asyncpg.Pool, tenant_id: str, account: str, payout: str
) -> tuple[UUID, UUID] | None:
    """The payout of ours with this id at Stripe, and its payee."""
    row = await pool.fetchrow(FIND_PAYOUT, tenant_id, account, payout)
    return (row[0], row[1]) if row else None


async def newest_settlements(pool: asyncpg.Pool, tenant_id: str) -> list[tuple[str, str]]:
    """(currency, what the newest payment in it settled in), one for each currency paid in."""
    rows = await pool.fetch(NEWEST_SETTLED, tenant_id)
    return [(row[0], row[1]) for row in rows]
