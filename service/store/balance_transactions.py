"""Stripe's balance transactions that have been booked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


async def currencies_received(pool: asyncpg.Pool, tenant_id: str, account: str) -> set[str]:
    """In which currencies transfers have arrived in a payee's account."""
    return {row[0] for row in await pool.fetch(RECEIVED, tenant_id, account)}


async def find_journal(
    pool: asyncpg.Pool, tenant_id: str, source: Source, kinds: Sequence[JournalKind]
) -> UUID | None:
    """The journal of one of these kinds that booked a fact."""
    journal_id: UUID | None = await pool.fetchval(FIND_JOURNAL, tenant_id, *source, list(kinds))
    return journal_id
