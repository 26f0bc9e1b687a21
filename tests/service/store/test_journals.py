from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from service.domain import ids
from service.store.journals import Chosen, JournalRecord, journals_after, latest_journals
from service.store.pool import open_pool
from tests.postgres import Database

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
INSERT = """
WITH journal AS (
    INSERT INTO journals (tenant_id, journal_id, kind, source_type, source_id, currency, escrow_id,
        operation_id, event_at, created_at)
    VALUES ($1, $2, 'transfer_requested', 'effect', $3, 'USD', $4, $2, $5, $5)
)
INSERT INTO entries (tenant_id, journal_id, line, book, account, currency, amount_minor)
VALUES ($1, $2, 1, 'platform', $6, 'USD', $7),
    ($1, $2, 2, 'platform', 'liab:transfers_in_flight', 'USD', -$7::bigint)"""


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[asyncpg.Pool]:
    pool = await open_pool(database.service_dsn, role="", min_size=1, max_size=2)
    yield pool
    await pool.close()


async def book(
    pool: asyncpg.Pool, tenant: str, seconds: int, amount_minor: int, escrow_id: UUID | None = None
) -> UUID:
    at = NOW + timedelta(seconds=seconds)
    journal_id = ids.new_uuid(at)
    payable = f"liab:payee:{ids.show('pye', ids.new_uuid(at))}:payable"
    source = str(seconds)
    await pool.execute(INSERT, tenant, journal_id, source, escrow_id, at, payable, amount_minor)
    return journal_id


async def test_journals_come_in_the_order_of_the_books(pool: asyncpg.Pool) -> None:
    escrow_id = ids.new_uuid(NOW)
    first = await book(pool, "default", 1, 100, escrow_id)
    second = await book(pool, "default", 2, 200)
    third = await book(pool, "default", 3, 300, escrow_id)
    await book(pool, "neighbour", 4, 400, escrow_id)

    after = await journals_after(pool, "default", first, limit=10)
    latest = await latest_journals(pool, "default", limit=2)
    of_escrow = await latest_journals(pool, "default", chosen=Chosen(escrow_id=escrow_id), limit=10)

    assert [journal.journal_id for journal in after] == [second, third]
    assert [j.journal_id for j in latest if isinstance(j, JournalRecord)] == [second, third]
    assert [j.journal_id for j in of_escrow if isinstance(j, JournalRecord)] == [first, third]
    assert [entry.amount_minor for entry in after[0].entries] == [200, -200]
    assert after[0].entries[1].account == "liab:transfers_in_flight"
