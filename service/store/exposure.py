"""What of a payee's is held, and what of it payers' banks may take back.

All that is found goes by the indexes of one payee's escrows, however many others there are.
"""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

import asyncpg

from service.domain.accounts import HELD

_THEIRS = """\
WITH theirs AS (
    SELECT e.tenant_id, e.escrow_id FROM escrows AS e
    WHERE e.tenant_id = $1 AND e.payee_id = $2
    UNION
    SELECT p.tenant_id, p.escrow_id FROM milestone_payees AS p
    WHERE p.tenant_id = $1 AND p.payee_id = $2
)"""
# What the books hold for each milestone (m) of an escrow (e), and what of that is for the payee:
# all where the escrow's payee is the only one, else pro rata of what is left of each part.
_HELD = f"""\
LEFT JOIN balances AS b ON b.tenant_id = m.tenant_id
    AND b.account = {HELD.sql(milestone="m.milestone_id")} AND b.currency = e.currency
CROSS JOIN LATERAL (
    SELECT count(*) AS payees, sum(p.amount_minor - p.gone_minor) AS left_minor,
        sum(p.amount_minor - p.gone_minor) FILTER (WHERE p.payee_id = $2) AS their_minor
    FROM milestone_payees AS p
    WHERE p.tenant_id = m.tenant_id AND p.escrow_id = m.escrow_id
    AND p.milestone_id = m.milestone_id
) AS parts"""
_THEIR_HELD_MINOR = """\
coalesce(sum(CASE
        WHEN parts.payees > 0
        THEN coalesce(div(b.balance_minor * parts.their_minor, nullif(parts.left_minor, 0)), 0)
        WHEN e.payee_id = $2 THEN b.balance_minor
        ELSE 0
    END), 0)::bigint"""
# Nothing is held of an escrow that is over, or that nobody has paid.
HELD_FOR_PAYEE = f"""\
{_THEIRS}
SELECT e.currency, {_THEIR_HELD_MINOR} AS held_minor
FROM theirs AS t
JOIN escrows AS e ON e.tenant_id = t.tenant_id AND e.escrow_id = t.escrow_id
JOIN milestones AS m ON m.tenant_id = e.tenant_id AND m.escrow_id = e.escrow_id
{_HELD}
WHERE e.tenant_id = $1 AND e.state = 'ACTIVE'
GROUP BY e.currency"""
# Of a payment that is disputed: what is held of it, and what was released of it and not refunded.
# What is settled has been taken of these already, unless Stripe has moved more since.
THREATENED = f"""\
{_THEIRS}
SELECT c.chargeback_id, c.payment_id, c.currency, c.amount_minor,
    coalesce(p.received_minor, p.amount_minor) AS paid_minor,
    held.held_minor + released.released_minor AS their_minor
FROM theirs AS t
JOIN escrows AS e ON e.tenant_id = t.tenant_id AND e.escrow_id = t.escrow_id
JOIN chargebacks AS c ON c.tenant_id = e.tenant_id AND c.escrow_id = e.escrow_id
JOIN payments AS p ON p.tenant_id = c.tenant_id AND p.payment_id = c.payment_id
CROSS JOIN LATERAL (
    SELECT {_THEIR_HELD_MINOR} AS held_minor
    FROM milestones AS m
    {_HELD}
    WHERE m.tenant_id = c.tenant_id AND m.escrow_id = c.escrow_id AND m.payment_id = c.payment_id
) AS held
CROSS JOIN LATERAL (
    SELECT coalesce(sum(r.payee_share_minor), 0)::bigint AS released_minor FROM releases AS r
    WHERE r.tenant_id = c.tenant_id AND r.escrow_id = c.escrow_id
    AND r.payment_id = c.payment_id AND r.payee_id = $2
) AS released
WHERE e.tenant_id = $1 AND (
    c.withdrawn_minor - c.reinstated_minor <> c.settled_minor
    OR (c.settled_at IS NULL AND c.state NOT IN ('INQUIRY_CLOSED', 'PREVENTED', 'WON'))
)
ORDER BY c.chargeback_id DESC"""


class Threatened(NamedTuple):
    """A chargeback of a payment. ``disputed_minor`` is 0 where a bank did not say how much it asks
    about. Of ``paid_minor``, ``their_minor`` is the payee's: held for them, and released to them.
    """

    chargeback_id: UUID
    payment_id: UUID
    currency: str
    disputed_minor: int
    paid_minor: int
    their_minor: int


async def find_held_for_payee(pool: asyncpg.Pool, tenant_id: str, payee_id: UUID) -> dict[str, int]:
    """By currency, in minor units, before the payee's fee."""
    rows = await pool.fetch(HELD_FOR_PAYEE, tenant_id, payee_id)
    return {row[0]: row[1] for row in rows if row[1]}


async def find_threatened(pool: asyncpg.Pool, tenant_id: str, payee_id: UUID) -> list[Threatened]:
    """The chargebacks that are not over or not settled, the newest first, of what is paid for a
    payee.
    """
    rows = await pool.fetch(THREATENED, tenant_id, payee_id)
    return [threatened for row in rows if (threatened := Threatened(*row)).their_minor]
