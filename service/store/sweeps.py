"""How far the balance transactions of each account at Stripe have been read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg

PLATFORM = ""
"""The name of the platform's own account."""

# The tenants that this process knows, for it has no key for others.
ADD_TENANTS = """\
INSERT INTO sweeps (tenant_id, stripe_account, due_at, compare_due_at)
SELECT tenant_id, '', $2::timestamptz, $2::timestamptz + interval '10 minutes'
FROM unnest($1::text[]) AS tenant_id
ON CONFLICT ON CONSTRAINT sweeps_pkey DO NOTHING
RETURNING 1"""
ADD_ACCOUNTS = """\
INSERT INTO sweeps AS s (tenant_id, stripe_account, due_at, compare_due_at)
SELECT $1, theirs.stripe_account, $3, $3 FROM (
    SELECT z.stripe_account FROM payees AS z
    WHERE z.tenant_id = $1 AND z.stripe_account = ANY($2::text[])
    UNION ALL
    SELECT a.stripe_account FROM previous_accounts AS a
    WHERE a.tenant_id = $1 AND a.stripe_account = ANY($2::text[])
) AS theirs
ON CONFLICT ON CONSTRAINT sweeps_pkey DO UPDATE SET due_at = EXCLUDED.due_at
WHERE s.due_at > EXCLUDED.due_at
RETURNING 1"""
SWEPT_THROUGH = """\
SELECT s.stripe_account, s.swept_through FROM sweeps AS s
WHERE s.tenant_id = $1 AND s.stripe_account = ANY($2::text[]) AND s.swept_through IS NOT NULL"""
_COLUMNS = (
    "s.tenant_id, s.stripe_account, s.swept_through, s.newest_at, s.page_after, s.compare_due_at"
)
FIND_DUE = """\
SELECT s.tenant_id, s.stripe_account FROM sweeps AS s
WHERE s.due_at <= $1 AND s.tenant_id = ANY($2::text[])
ORDER BY s.stripe_account <> '', s.due_at LIMIT $3"""
TAKE = f"""\
UPDATE sweeps AS s SET due_at = $4
WHERE s.tenant_id = $1 AND s.stripe_account = $2 AND s.due_at <= $3
RETURNING {_COLUMNS}"""
FIND = f"""\
SELECT {_COLUMNS} FROM sweeps AS s WHERE s.tenant_id = $1 AND s.stripe_account = $2"""
ACCOUNTS = """\
SELECT s.stripe_account FROM sweeps AS s
WHERE s.tenant_id = $1 AND s.stripe_account <> '' ORDER BY s.stripe_account"""
SAVE = """\
UPDATE sweeps AS s
SET swept_through = $3, newest_at = $4, page_after = $5, due_at = $6
WHERE s.tenant_id = $1 AND s.stripe_account = $2"""
POSTPONE_COMPARISON = """\
UPDATE sweeps AS s SET compare_due_at = $3 WHERE s.tenant_id = $1 AND s.stripe_account = $2"""
SAVE_COMPARISON = """\
UPDATE sweeps AS s SET compared_at = $3, compare_due_at = $4, differences = $5
WHERE s.tenant_id = $1 AND s.stripe_account = $2"""


UNDECIDED = """\
SELECT u.balance_transaction_id, u.reason, u.first_seen_at, u.due_at
FROM undecided_transactions AS u
WHERE u.tenant_id = $1 AND u.stripe_account = $2 AND u.decided_at IS NULL
ORDER BY u.first_seen_at"""
# It is looked at again when it has waited as long as it has already, up to an hour.
REMEMBER = """\
INSERT INTO undecided_transactions AS u (
    tenant_id, stripe_account, balance_transaction_id, reason, first_seen_at, due_at
)
VALUES ($1, $2, $3, $4, $5::timestamptz, $5::timestamptz)
ON CONFLICT ON CONSTRAINT undecided_transactions_pkey DO UPDATE
SET reason = EXCLUDED.reason, decided_at = NULL, due_at = EXCLUDED.first_seen_at
    + least(EXCLUDED.first_seen_at - u.first_seen_at, interval '1 hour')
RETURNING 1"""
FORGET = """\
UPDATE undecided_transactions AS u SET decided_at = $4
WHERE u.tenant_id = $1 AND u.stripe_account = $2 AND u.balance_transaction_id = ANY($3::text[])"""


class UndecidedRow(NamedTuple):
    """A balance transaction that is not booked yet, why, since when we know it by our clock, and
    when it is looked at again.
    """

    transaction_id: str
    reason: str
    first_seen_at: datetime
    due_at: datetime


@dataclass(slots=True)
class Sweep:
    """One account at Stripe, and how far it has been read. Times by Stripe's clock, but for
    ``compare_due_at``.

    ``newest_at`` and ``page_after`` belong to the pass under way.
    """

    tenant_id: str
    account: str
    swept_through: datetime | None
    newest_at: datetime | None
    page_after: str | None
    compare_due_at: datetime


def new_sweep(tenant_id: str, account: str, now: datetime) -> Sweep:
    """Of an account of which nothing has been read."""
    return Sweep(tenant_id, account, None, None, None, now)


async def add_tenants(pool: asyncpg.Pool, tenants: Iterable[str], now: datetime) -> None:
    """Lets the platform accounts of new tenants be read from now on, and soon be compared."""
    await pool.fetch(ADD_TENANTS, sorted(tenants), now)


async def add_accounts(
    pool: asyncpg.Pool, tenant_id: str, accounts: Mapping[str, datetime], due_at: datetime
) -> None:
    """Lets those that are payees' of ours be read at the latest then. Each comes with the time when
    it got money, by Stripe's clock: one that has been read so far is left as it is.
    """
    rows = await pool.fetch(SWEPT_THROUGH, tenant_id, sorted(accounts))
    through = {row["stripe_account"]: row["swept_through"] for row in rows}
    new = sorted(a for a, got_at in accounts.items() if a not in through or through[a] < got_at)
    if new:
        await pool.fetch(ADD_ACCOUNTS, tenant_id, new, due_at)


async def take_due_sweeps(
    pool: asyncpg.Pool,
    tenants: Iterable[str],
    now: datetime,
    *,
    lease: timedelta,
    limit: int,
) -> list[Sweep]:
    """Takes accounts that are due; no other worker gets them during the lease."""
    taken = []
    for tenant_id, account in await pool.fetch(FIND_DUE, now, sorted(tenants), limit):
        row = await pool.fetchrow(TAKE, tenant_id, account, now, now + lease)
        if row is not None:
            taken.append(Sweep(*row))
    return taken


async def find_sweep(pool: asyncpg.Pool, tenant_id: str, account: str) -> Sweep | None:
    row = await pool.fetchrow(FIND, tenant_id, account)
    return Sweep(*row) if row else None


async def swept_accounts(pool: asyncpg.Pool, tenant_id: str) -> list[str]:
    """The connected accounts that are read."""
    return [row[0] for row in await pool.fetch(ACCOUNTS, tenant_id)]


async def save_sweep(pool: asyncpg.Pool, sweep: Sweep, due_at: datetime) -> None:
    await pool.execute(
        SAVE,
        sweep.tenant_id,
        sweep.account,
        sweep.swept_through,
        sweep.newest_at,
        sweep.page_after,
        due_at,
    )


async def postpone_comparison(pool: asyncpg.Pool, sweep: Sweep, due_at: datetime) -> None:
    """Keeps other workers from comparing this account meanwhile."""
    await pool.execute(POSTPONE_COMPARISON, sweep.tenant_id, sweep.account, due_at)


async def save_comparison(
    pool: asyncpg.Pool,
    sweep: Sweep,
    differences: Mapping[str, int],
    now: datetime,
    *,
    next_in: timedelta,
) -> None:
    """Records what a comparison found: differences by currency in minor units; none when equal."""
    key = sweep.tenant_id, sweep.account
    await pool.execute(SAVE_COMPARISON, *key, now, now + next_in, dict(differences) or None)


async def find_undecided(pool: asyncpg.Pool, tenant_id: str, account: str) -> list[UndecidedRow]:
    """What of an account is not booked yet, the oldest first."""
    return [UndecidedRow(*row) for row in await pool.fetch(UNDECIDED, tenant_id, account)]


async def remember_undecided(
    pool: asyncpg.Pool, tenant_id: str, account: str, transaction_id: str, why: str, now: datetime
) -> None:
    await pool.fetch(REMEMBER, tenant_id, account, transaction_id, why, now)


async def forget_undecided(
    pool: asyncpg.Pool,
    tenant_id: str,
    account: str,
    transaction_ids: Iterable[str],
    now: datetime,
) -> None:
    """They are booked now."""
    await pool.execute(FORGET, tenant_id, account, list(transaction_ids), now)
