"""The money that waits for a person: in suspense, or moved at Stripe and not explained."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from service.domain import accounts
from service.domain.postings import JournalKind
from service.store.waiting_since import Since, readable_since

# With what it belongs to, where anything of ours does.
SUSPENSE = f"""\
WITH suspended AS MATERIALIZED (
    SELECT account, currency, balance_minor, split_part(account, ':', 3) AS id FROM balances
    WHERE tenant_id = $1 AND account LIKE '{accounts.SUSPENSE.like}' AND balance_minor > 0
), unexplained AS MATERIALIZED (
    SELECT account, currency, balance_minor, split_part(account, ':', 3) AS id FROM balances
    WHERE tenant_id = $1 AND balance_minor > 0 AND (
        account LIKE '{accounts.TAKEN_UNEXPLAINED.like}'
        OR account LIKE '{accounts.BROUGHT_UNEXPLAINED.like}')
), items AS (
    SELECT s.account, s.currency, s.balance_minor, p.payment_id, p.escrow_id, p.payer_id,
        p.stripe_charge AS stripe_object,
        coalesce({readable_since("j.created_at")}, '1970-01-01') AS since
    FROM suspended AS s
    LEFT JOIN payments AS p ON p.tenant_id = $1
        AND p.payment_id = CASE WHEN length(s.id) = 36 AND s.id ~ '^pay_[0-9a-f]+$'
            THEN right(s.id, 32)::uuid END
    LEFT JOIN journals AS j ON j.tenant_id = $1 AND j.source_type = 'payment'
        AND j.source_id = s.id AND j.kind = '{JournalKind.PAYMENT_UNEXPECTED}'
    UNION ALL
    SELECT u.account, u.currency, u.balance_minor, NULL, j.escrow_id, NULL, u.id,
        coalesce({readable_since("j.created_at")}, '1970-01-01')
    FROM unexplained AS u
    LEFT JOIN balance_transactions AS t ON t.tenant_id = $1 AND t.balance_transaction_id = u.id
    LEFT JOIN journals AS j ON j.tenant_id = $1 AND j.journal_id = t.journal_id
)
SELECT * FROM items AS i
WHERE (i.since, i.account) > ($2::timestamptz, $3::text)
ORDER BY i.since, i.account
LIMIT $4"""
BALANCES = """\
SELECT balance_minor FROM balances
WHERE tenant_id = $1 AND account = $2 AND balance_minor > 0"""


class SuspenseItem(NamedTuple):
    """An account whose money waits for a person, in minor units of its currency."""

    account: str
    currency: str
    balance_minor: int
    payment_id: UUID | None
    escrow_id: UUID | None
    payer_id: UUID | None
    stripe_object: str | None
    since: datetime


async def list_suspense(
    pool: asyncpg.Pool, tenant_id: str, *, after: Since, limit: int
) -> list[SuspenseItem]:
    """The oldest money that waits for a person, since after ``after``."""
    rows = await pool.fetch(SUSPENSE, tenant_id, *after, limit)
    return [SuspenseItem(*row) for row in rows]


async def find_balances(pool: asyncpg.Pool, tenant_id: str, account: str) -> list[int]:
    """What a tracked account holds, in minor units, a currency each; empty when nothing."""
    return [row[0] for row in await pool.fetch(BALANCES, tenant_id, account)]
