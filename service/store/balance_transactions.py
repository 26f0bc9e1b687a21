"""Stripe's balance transactions that have been booked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from service.domain.journal import Source
from service.domain.postings import JournalKind
from service.domain.records.balance_transaction import BookedTransaction
from service.store.rows import from_row, select_list

KNOWN = """\
SELECT t.balance_transaction_id FROM balance_transactions AS t
WHERE t.tenant_id = $1 AND t.balance_transaction_id = ANY($2::text[])"""
SHOWN = """\
SELECT t.balance_transaction_id, t.amount_minor, t.fee_minor, t.net_minor, t.currency
FROM balance_transactions AS t
WHERE t.tenant_id = $1 AND t.balance_transaction_id = ANY($2::text[])"""
ALL_OF_PLATFORM = """\
SELECT t.balance_transaction_id FROM balance_transactions AS t
WHERE t.tenant_id = $1 AND t.stripe_account IS NULL"""
ALL_OF_ACCOUNT = """\
SELECT t.balance_transaction_id FROM balance_transactions AS t
WHERE t.tenant_id = $1 AND t.stripe_account = $2"""
NET_OF_PLATFORM = """\
SELECT t.currency, sum(t.net_minor)::bigint FROM balance_transactions AS t
WHERE t.tenant_id = $1 AND t.stripe_account IS NULL GROUP BY t.currency"""
NET_OF_ACCOUNT = """\
SELECT t.currency, sum(t.net_minor)::bigint FROM balance_transactions AS t
WHERE t.tenant_id = $1 AND t.stripe_account = $2 GROUP BY t.currency"""
# What is available already is one row, without a time. By Stripe's clock, as far as it was seen, or
# ours, whichever is ahead.
AVAILABILITY = """\
SELECT b.currency, b.balance_minor, t.available_at, t.net_minor
FROM balances AS b
LEFT JOIN LATERAL (
    SELECT greatest($4::timestamptz, max(r.created_at)) AS time
    FROM balance_transactions AS r
    WHERE r.tenant_id = $1 AND r.stripe_account = $2
) AS clock ON true
LEFT JOIN LATERAL (
    SELECT
        CASE WHEN r.available_at > clock.time THEN r.available_at END AS available_at,
        sum(r.net_minor)::bigint AS net_minor
    FROM balance_transactions AS r
    WHERE r.tenant_id = $1 AND r.stripe_account = $2 AND r.currency = b.currency
    GROUP BY 1
) AS t ON true
WHERE b.tenant_id = $1 AND b.account = $3
ORDER BY b.currency, t.available_at NULLS FIRST"""
RECEIVED = """\
SELECT DISTINCT t.currency FROM balance_transactions AS t
WHERE t.tenant_id = $1 AND t.stripe_account = $2 AND t.type = 'payment'"""
BOOKED_AS = """\
SELECT t.stripe_account, t.balance_transaction_id, t.net_minor, t.currency, j.kind
FROM balance_transactions AS t
JOIN journals AS j ON j.tenant_id = t.tenant_id AND j.journal_id = t.journal_id
WHERE t.tenant_id = $1
AND (t.balance_transaction_id = $2 OR t.stripe_account = $3 AND t.source = $4)"""
FIND = f"""\
SELECT {select_list(BookedTransaction, "t")} FROM balance_transactions AS t
WHERE t.tenant_id = $1 AND t.balance_transaction_id = $2"""
FIND_JOURNAL = """\
SELECT j.journal_id FROM journals AS j
WHERE j.tenant_id = $1 AND j.source_type = $2 AND j.source_id = $3 AND j.kind = ANY($4::text[])
LIMIT 1"""


class ShownAmounts(NamedTuple):
    """The amounts of a row, as they are compared with Stripe's: minor units."""

    amount_minor: int
    fee_minor: int
    net_minor: int
    currency: str


class BookedAs(NamedTuple):
    """A balance transaction of the platform (no account) or of a connected account, and the kind of
    the journal that booked it. ``net_minor`` in minor units of ``currency``.
    """

    account: str | None
    transaction_id: str
    net_minor: int
    currency: str
    kind: str


async def find_booked(
    pool: asyncpg.Pool, tenant_id: str, transaction_id: str, *, account: str, source: str
) -> list[BookedAs]:
    """How this balance transaction was booked, and those of a connected account that this object
    there has caused.
    """
    rows = await pool.fetch(BOOKED_AS, tenant_id, transaction_id, account, source)
    return [BookedAs(*row) for row in rows]


class Availability(NamedTuple):
    """The balance of a connected account in one currency, in minor units: by the books, by the rows
    of what moved it, and what of these is not available yet, with its time, the earliest first.
    """

    balance_minor: int
    rows_minor: int
    pending: tuple[tuple[datetime, int], ...]

    @property
    def complete(self) -> bool:
        """Whether the rows have all that the books have."""
        return self.balance_minor == self.rows_minor


async def find_transaction(
    pool: asyncpg.Pool, tenant_id: str, transaction_id: str
) -> BookedTransaction | None:
    row = await pool.fetchrow(FIND, tenant_id, transaction_id)
    return from_row(BookedTransaction, row) if row else None


async def known_transactions(
    pool: asyncpg.Pool, tenant_id: str, transaction_ids: Iterable[str]
) -> set[str]:
    """Those of the balance transactions that have their row."""
    rows = await pool.fetch(KNOWN, tenant_id, list(transaction_ids))
    return {row[0] for row in rows}


async def amounts_of(
    pool: asyncpg.Pool, tenant_id: str, transaction_ids: Iterable[str]
) -> dict[str, ShownAmounts]:
    """The amounts of those that have their row, by their id."""
    rows = await pool.fetch(SHOWN, tenant_id, list(transaction_ids))
    return {row[0]: ShownAmounts(*row[1:]) for row in rows}


async def transactions_of(pool: asyncpg.Pool, tenant_id: str, account: str) -> set[str]:
    """All that have a row: of the platform ("") or of a connected account."""
    if account:
        rows = await pool.fetch(ALL_OF_ACCOUNT, tenant_id, account)
    else:
        rows = await pool.fetch(ALL_OF_PLATFORM, tenant_id)
    return {row[0] for row in rows}


async def net_of_rows(pool: asyncpg.Pool, tenant_id: str, account: str) -> dict[str, int]:
    """What the rows of the platform ("") or of a connected account come to, by currency."""
    if account:
        rows = await pool.fetch(NET_OF_ACCOUNT, tenant_id, account)
    else:
        rows = await pool.fetch(NET_OF_PLATFORM, tenant_id)
    return {row[0]: row[1] for row in rows}


async def availability_of(
    pool: asyncpg.Pool, tenant_id: str, stripe_account: str, account: str, now: datetime
) -> dict[str, Availability]:
    """How available the balance of a connected account is, by currency; ``account`` is the one of
    the books.
    """
    rows = await pool.fetch(AVAILABILITY, tenant_id, stripe_account, account, now)
    found: dict[str, list[asyncpg.Record]] = {}
    for row in rows:
        found.setdefault(row["currency"], []).append(row)
    return {
        currency: Availability(
            balance_minor=of_currency[0]["balance_minor"],
            rows_minor=sum(row["net_minor"] or 0 for row in of_currency),
            pending=tuple(
                (row["available_at"], row["net_minor"])
                for row in of_currency
                if row["available_at"] is not None
            ),
        )
        for currency, of_currency in found.items()
    }


async def currencies_received(pool: asyncpg.Pool, tenant_id: str, account: str) -> set[str]:
    """In which currencies transfers have arrived in a payee's account."""
    return {row[0] for row in await pool.fetch(RECEIVED, tenant_id, account)}


async def find_journal(
    pool: asyncpg.Pool, tenant_id: str, source: Source, kinds: Sequence[JournalKind]
) -> UUID | None:
    """The journal of one of these kinds that booked a fact."""
    journal_id: UUID | None = await pool.fetchval(FIND_JOURNAL, tenant_id, *source, list(kinds))
    return journal_id
