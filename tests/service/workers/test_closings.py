"""The worker that closes the books: a minute back, by the clock that is behind, and up to date."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
import structlog

from service.domain import ids
from service.migrations import Connection
from service.runtime import Runtime
from service.store.balances import balances_as_of, is_final
from service.store.pool import ServicePool
from service.stripe.gateway import StripeGateway
from service.workers import closings
from service.workers.closings import GRACE, ClosingsWorker
from tests.postgres import Database, connected
from tests.records import TENANT
from tests.service.store.pools import service_pool

PATIENCE_S = 20.0
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
STRIPE = "asset:stripe"
INSERT = """
WITH journal AS (
    INSERT INTO journals (tenant_id, journal_id, kind, source_type, source_id, currency,
        operation_id, event_at, created_at)
    SELECT $1, id, 'test', 'test', id::text, 'USD', id, $3, $3 FROM unnest($2::uuid[]) AS id
)
INSERT INTO entries (tenant_id, journal_id, line, book, account, currency, amount_minor)
SELECT $1, id, line, 'platform', CASE line WHEN 1 THEN 'asset:stripe' ELSE 'rev:platform_fee' END,
    'USD', CASE line WHEN 1 THEN 5 ELSE -5 END
FROM unnest($2::uuid[]) AS id, generate_series(1, 2) AS line"""
CLOSED = "SELECT closed_through FROM closings"
# As docs/operations.md tells it.
OPEN_AGAIN = "BEGIN; DELETE FROM closings; DELETE FROM balance_snapshots; COMMIT"
SNAPSHOTS = "SELECT balance_minor, entries FROM balance_snapshots WHERE account = 'asset:stripe'"


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[ServicePool]:
    async with service_pool(database, size=4) as pool:
        yield pool


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    async with connected(database.owner_dsn) as connection:
        yield connection


def worker(pool: ServicePool, *, ahead: timedelta = timedelta(0)) -> ClosingsWorker:
    """A process's worker; its clock goes so far ahead of everybody else's."""
    gateway = StripeGateway(
        "sk_test_1", environment="test", api_base="http://127.0.0.1:9", livemode=False, rate_per_s=1
    )  # nothing listens there: never called
    return ClosingsWorker(Runtime(pool, {TENANT: gateway}, lambda: datetime.now(UTC) + ahead))


async def book(connection: "Connection | ServicePool", at: datetime, journals: int) -> None:
    new = [ids.new_uuid(at) for _ in range(journals)]
    await connection.execute(INSERT, TENANT, new, at)


async def test_books_of_a_minute_ago_are_closed_and_rolled_up(
    pool: ServicePool, owner: Connection
) -> None:
    then, now = datetime.now(UTC) - GRACE - SECOND, datetime.now(UTC)
    await book(pool, then, closings.ENTRIES_APART)
    await book(pool, now, 3)

    async with asyncio.timeout(PATIENCE_S):
        assert await worker(pool).run_once() == 1

    assert await is_final(pool, TENANT, then)
    assert not await is_final(pool, TENANT, now)
    (snapshot,) = await owner.fetch(SNAPSHOTS)
    assert tuple(snapshot) == (5 * closings.ENTRIES_APART, closings.ENTRIES_APART)
    (found,) = await balances_as_of(pool, TENANT, [STRIPE])
    assert found.balance_minor == 5 * (closings.ENTRIES_APART + 3)
    await book(pool, now, 1)  # still open


async def test_they_are_closed_once_a_minute_whoever_asks(
    pool: ServicePool, owner: Connection
) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await worker(pool).run_once()
        closed = await owner.fetchval(CLOSED)
        assert [await worker(pool).run_once() for _ in range(3)] == [0, 0, 0]
        assert await owner.fetchval(CLOSED) == closed
        await owner.execute("UPDATE closings SET due_at = now()")
        await asyncio.sleep(0.002)  # a later moment
        assert await worker(pool).run_once() == 1

    assert await owner.fetchval(CLOSED) > closed


async def test_a_clock_ahead_of_the_databases_closes_nothing_early(
    pool: ServicePool, owner: Connection
) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await worker(pool, ahead=HOUR).run_once()

    assert await owner.fetchval(CLOSED) < ids.last_uuid(datetime.now(UTC) - GRACE)
    await book(pool, datetime.now(UTC), 1)


async def test_a_clock_behind_closes_only_what_is_past_for_itself(
    pool: ServicePool, owner: Connection
) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await worker(pool, ahead=-HOUR).run_once()

    assert await owner.fetchval(CLOSED) < ids.last_uuid(datetime.now(UTC) - HOUR - GRACE)


async def test_books_closed_into_the_future_are_opened_again_by_their_owner(
    pool: ServicePool, owner: Connection
) -> None:
    then = datetime.now(UTC) - GRACE - SECOND
    await book(pool, then, closings.ENTRIES_APART)
    async with asyncio.timeout(PATIENCE_S):
        await worker(pool).run_once()
    # Both clocks were ahead.
    await owner.execute("UPDATE closings SET closed_through = $1", ids.last_uuid(then + HOUR))
    with pytest.raises(asyncpg.CheckViolationError):
        await book(pool, datetime.now(UTC), 1)

    await owner.execute(OPEN_AGAIN)

    await book(pool, then, 1)
    async with asyncio.timeout(PATIENCE_S):
        await worker(pool).run_once()
    (snapshot,) = await owner.fetch(SNAPSHOTS)
    entries = closings.ENTRIES_APART + 1
    assert tuple(snapshot) == (5 * entries, entries)


async def test_what_was_under_way_is_waited_for(
    pool: ServicePool, database: Database, owner: Connection
) -> None:
    then = datetime.now(UTC) - GRACE - SECOND
    async with connected(database.service_dsn) as slow, asyncio.timeout(PATIENCE_S):
        async with slow.transaction():
            await book(slow, then, closings.ENTRIES_APART)
            turn = asyncio.create_task(worker(pool).run_once())
            while await owner.fetchval(CLOSED) is None:  # noqa: ASYNC110  in PostgreSQL
                await asyncio.sleep(0.005)
            await asyncio.sleep(3 * closings.PAUSE_S)
            assert not turn.done()
            assert await owner.fetch(SNAPSHOTS) == []
        await turn

    assert len(await owner.fetch(SNAPSHOTS)) == 1


async def test_a_transaction_that_lasts_is_told_and_left_to_the_next_turn(
    pool: ServicePool, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closings, "LEASE", timedelta(seconds=0.5))
    then = datetime.now(UTC) - GRACE - SECOND
    async with connected(database.service_dsn) as slow, asyncio.timeout(PATIENCE_S):
        async with slow.transaction():
            await book(slow, then, 1)
            with structlog.testing.capture_logs() as logs:
                await worker(pool).run_once()
            assert not await is_final(pool, TENANT, then)
        await asyncio.sleep(0.5)  # the lease
        while not await is_final(pool, TENANT, then):
            await worker(pool).run_once()

    assert [log["event"] for log in logs] == ["balances are not rolled up yet"]


async def test_stop_does_not_wait_for_a_transaction(pool: ServicePool, database: Database) -> None:
    async with connected(database.service_dsn) as slow, slow.transaction():
        await book(slow, datetime.now(UTC) - GRACE - SECOND, 1)
        stopping = worker(pool)
        running = asyncio.create_task(stopping.run())
        async with asyncio.timeout(PATIENCE_S):
            while await pool.fetchval(CLOSED) is None:  # noqa: ASYNC110  in PostgreSQL
                await asyncio.sleep(0.005)
            stopping.stop()
            await asyncio.wait_for(running, 5 * closings.PAUSE_S)
