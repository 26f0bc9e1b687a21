"""The journals, read for people: what was booked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from service.domain import ids
from service.domain.accounts import WILDCARD, pattern_of
from service.store.balances import FIRST, LAST
from service.store.books import Connection
from service.store.unreadable import Unreadable, read_all

_JOURNALS = """\
SELECT j.journal_id, j.kind, j.source_type, j.source_id, j.currency, j.escrow_id, j.event_at,
    j.created_at,
    (SELECT x.reference FROM escrows AS x
        WHERE x.tenant_id = j.tenant_id AND x.escrow_id = j.escrow_id) AS reference,
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
# The journals of a period: $2 and $3 are ids, of which neither belongs to it.
_CHOSEN = """\
WHERE j.tenant_id = $1 AND j.journal_id > $2 AND j.journal_id < $3
{conditions}
ORDER BY j.journal_id"""
OLDEST_FIRST = f"{_JOURNALS}{_CHOSEN} LIMIT $4"
OLDEST_FIRST_IDS = f"SELECT j.journal_id FROM journals AS j {_CHOSEN} LIMIT $4"
NEWEST_FIRST = f"{_JOURNALS}{_CHOSEN} DESC LIMIT $4"
NEWEST_FIRST_IDS = f"SELECT j.journal_id FROM journals AS j {_CHOSEN} DESC LIMIT $4"
OF_ESCROW = "AND j.escrow_id = ${number}::uuid"
# Of a few accounts by their index; of patterns by the entries of every journal of the period.
OF_ACCOUNTS = """\
AND j.journal_id IN (
    SELECT e.journal_id FROM entries AS e
    WHERE e.tenant_id = $1 AND e.account = ANY(${number}::text[])
    AND e.journal_id > $2 AND e.journal_id < $3
)"""
OF_PATTERNS = """\
AND EXISTS (
    SELECT 1 FROM entries AS e
    WHERE e.tenant_id = $1 AND e.journal_id = j.journal_id
    AND e.account LIKE ANY (${number}::text[])
)"""
PAGE = 500


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
    reference: str | None = None

    @property
    def public_id(self) -> str:
        return ids.show(ids.JOURNAL, self.journal_id)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which journals: of the period between two ids, of an escrow, of any of some accounts.

    An account with a wildcard stands for all that it fits.
    """

    after: UUID = FIRST
    before: UUID = LAST
    escrow_id: UUID | None = None
    accounts: Sequence[str] = ()

    def conditions(self) -> tuple[str, list[object]]:
        """What is added to a statement with four parameters, and the further ones."""
        parts: list[tuple[str, object]] = []
        if self.escrow_id is not None:
            parts.append((OF_ESCROW, self.escrow_id))
        if any(WILDCARD in name for name in self.accounts):
            parts.append((OF_PATTERNS, [*map(pattern_of, self.accounts)]))
        elif self.accounts:
            parts.append((OF_ACCOUNTS, [*self.accounts]))
        clauses = [part.format(number=number) for number, (part, _) in enumerate(parts, start=5)]
        return "\n".join(clauses), [value for _, value in parts]


EVERYTHING = Chosen()


async def journals_after(
    pool: asyncpg.Pool, tenant_id: str, journal_id: UUID, *, limit: int
) -> list[JournalRecord]:
    """What was booked after a journal, oldest first."""
    return [_journal(row) for row in await pool.fetch(JOURNALS_AFTER, tenant_id, journal_id, limit)]


async def find_journal(
    pool: asyncpg.Pool, tenant_id: str, journal_id: UUID
) -> JournalRecord | None:
    row = await pool.fetchrow(FIND_JOURNAL, tenant_id, journal_id)
    return _journal(row) if row else None


async def latest_journals(
    pool: Connection, tenant_id: str, *, limit: int, chosen: Chosen = EVERYTHING
) -> list[JournalRecord | Unreadable[UUID]]:
    """The newest journals of those; oldest first among them."""
    statements = NEWEST_FIRST, NEWEST_FIRST_IDS
    return (await _page(pool, statements, tenant_id, chosen, limit))[::-1]


async def all_journals(
    connection: Connection, tenant_id: str, chosen: Chosen
) -> AsyncIterator[JournalRecord | Unreadable[UUID]]:
    """All of those, oldest first, a page after the other."""
    statements = OLDEST_FIRST, OLDEST_FIRST_IDS
    while True:
        page = await _page(connection, statements, tenant_id, chosen, PAGE)
        for journal in page:
            yield journal
        if len(page) < PAGE:
            return
        last = page[-1]
        after = last.key if isinstance(last, Unreadable) else last.journal_id
        chosen = replace(chosen, after=after)


async def _page(
    pool: Connection, statements: tuple[str, str], tenant_id: str, chosen: Chosen, limit: int
) -> list[JournalRecord | Unreadable[UUID]]:
    conditions, further = chosen.conditions()
    whole, ids_only = (statement.format(conditions=conditions) for statement in statements)
    arguments = [tenant_id, chosen.after, chosen.before, limit, *further]

    async def together() -> list[JournalRecord]:
        return [_journal(row) for row in await pool.fetch(whole, *arguments)]

    async def keys() -> list[UUID]:
        return [row[0] for row in await pool.fetch(ids_only, *arguments)]

    async def alone(journal_id: UUID) -> JournalRecord | None:
        row = await pool.fetchrow(FIND_JOURNAL, tenant_id, journal_id)
        return _journal(row) if row else None

    return await read_all(together, keys, alone)


def _journal(row: asyncpg.Record) -> JournalRecord:
    entries = tuple(EntryRecord(*entry) for entry in row["entries"])
    facts = {name: value for name, value in row.items() if name != "entries"}
    return JournalRecord(**facts, entries=entries)
