"""The journals, read for people: what was booked, and what every account comes to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from service.domain.accounts import ID_PATTERN
from service.store.unreadable import Unreadable, read_all

_JOURNALS = """\
SELECT j.journal_id, j.kind, j.source_type, j.source_id, j.currency, j.escrow_id, j.event_at,
    j.created_at,
    ARRAY(SELECT (e.book, e.account, e.currency, e.amount_minor)::read_entry FROM entries AS e
        WHERE e.tenant_id = j.tenant_id AND e.journal_id = j.journal_id ORDER BY e.line) AS entries
FROM journals AS j
"""
# Ids are UUIDv7: their order is the order of the books.
JOURNALS_AFTER = f"""\
{_JOURNALS}WHERE j.tenant_id = $1 AND j.journal_id > $2
ORDER BY j.journal_id LIMIT $3"""
FIND_JOURNAL = f"""\
{_JOURNALS}WHERE j.tenant_id = $1 AND j.journal_id = $2"""
_LATEST = """\
WHERE j.tenant_id = $1
ORDER BY j.journal_id DESC LIMIT $2"""
_LATEST_OF_ESCROW = """\
WHERE j.tenant_id = $1 AND j.escrow_id = $3
ORDER BY j.journal_id DESC LIMIT $2"""
LATEST_JOURNALS = f"{_JOURNALS}{_LATEST}"
LATEST_JOURNALS_OF_ESCROW = f"{_JOURNALS}{_LATEST_OF_ESCROW}"
LATEST_IDS = f"SELECT j.journal_id FROM journals AS j {_LATEST}"
LATEST_IDS_OF_ESCROW = f"SELECT j.journal_id FROM journals AS j {_LATEST_OF_ESCROW}"

# The accounts of one row of the chart together: those of all milestones, of all payees ...
TRIAL_BALANCE = f"""\
SELECT book, regexp_replace(account, '{ID_PATTERN}', '*') AS accounts, currency,
    sum(amount_minor) AS balance_minor
FROM entries WHERE tenant_id = $1
GROUP BY book, accounts, currency
ORDER BY book DESC, currency, accounts"""


class EntryRecord(NamedTuple):
    """One line of a journal, in minor units: debits are positive, credits negative."""

    book: str
    account: str
    currency: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """One journal as it was booked; ``event_at`` is the world's time, ``created_at`` the books'."""

    journal_id: UUID
    kind: str
    source_type: str
    source_id: str
    currency: str
    escrow_id: UUID | None
    event_at: datetime
    created_at: datetime
    entries: tuple[EntryRecord, ...]


class AccountBalance(NamedTuple):
    """What the accounts of one kind come to: positive on the debit side, in minor units."""

    book: str
    accounts: str
    currency: str
    balance_minor: int


async def journals_after(
    pool: asyncpg.Pool, tenant_id: str, journal_id: UUID, *, limit: int
) -> list[JournalRecord]:
    """What was booked after a journal, oldest first."""
    return [_journal(row) for row in await pool.fetch(JOURNALS_AFTER, tenant_id, journal_id, limit)]


async def latest_journals(
    pool: asyncpg.Pool, tenant_id: str, *, escrow_id: UUID | None = None, limit: int
) -> list[JournalRecord | Unreadable[UUID]]:
    """The newest journals, of one escrow if one is named; oldest first among them."""
    whole, ids_only = LATEST_JOURNALS, LATEST_IDS
    arguments: list[object] = [tenant_id, limit]
    if escrow_id is not None:
        whole, ids_only = LATEST_JOURNALS_OF_ESCROW, LATEST_IDS_OF_ESCROW
        arguments.append(escrow_id)

    async def together() -> list[JournalRecord]:
        return [_journal(row) for row in await pool.fetch(whole, *arguments)]

    async def keys() -> list[UUID]:
        return [row[0] for row in await pool.fetch(ids_only, *arguments)]

    async def alone(journal_id: UUID) -> JournalRecord | None:
        row = await pool.fetchrow(FIND_JOURNAL, tenant_id, journal_id)
        return _journal(row) if row else None

    return (await read_all(together, keys, alone))[::-1]


async def trial_balance(pool: asyncpg.Pool, tenant_id: str) -> list[AccountBalance]:
    """What every kind of account comes to. Reads every entry of the tenant."""
    rows = await pool.fetch(TRIAL_BALANCE, tenant_id)
    return [AccountBalance(row[0], row[1], row[2], int(row[3])) for row in rows]


def _journal(row: asyncpg.Record) -> JournalRecord:
    entries = tuple(EntryRecord(*entry) for entry in row["entries"])
    facts = {name: value for name, value in row.items() if name != "entries"}
    return JournalRecord(**facts, entries=entries)
